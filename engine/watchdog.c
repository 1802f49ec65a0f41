// SPDX-License-Identifier: MIT
// A timer on the main thread's CPU time ticks while the process works: an idle one is not woken, and one that is
// stopped or waits for a loaded host is not blamed. The handler of a tick may set the hook at any moment; LuaJIT allows
// that.
#include "watchdog.h"
#include "account.h"
#include "log.h"
#include "vm.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { TICKS = 100 };            // a second
enum { WARN = 2, GIVE_UP = 10 }; // budgets after which that is said, doubling; and after which the process ends
static const double LEAST = 0.1; // seconds: a smaller budget counts as that much there, since ticks are coarse

static lua_State *state;
static char own_code[4096]; // how sources of the engine's functions begin
static volatile unsigned ticks;
static volatile unsigned entry; // another with each resume
static volatile unsigned late;  // the entry that is over its budget
static volatile double late_by; // seconds that it had taken then
static unsigned condemned;      // the entry whose account is over its limit

static volatile double cpu;     // the CPU time when that clock was last read, in seconds
static double began, began_cpu; // the entry: when, and what `cpu` was

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

unsigned pe_watchdog_ticks(void) {
    return ticks;
}

void pe_watchdog_begin(void) {
    entry++;
    began = seconds_of(CLOCK_MONOTONIC);
    began_cpu = cpu;
}

// The clock of CPU time costs ten times as much as the monotonic one: it is for those that take long, with which others
// on the host may have shared the time. Ticks would not tell: the kernel leaves most out where they did.
double pe_watchdog_end(void) {
    double seconds = seconds_of(CLOCK_MONOTONIC) - began;
    pe_watchdog_calm();
    if (seconds > 1.0 / TICKS) seconds = fmin(seconds, (cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID)) - began_cpu);
    return seconds;
}

// The engine runs already, so that a tick in between sets nothing.
void pe_watchdog_calm(void) {
    if (lua_gethookmask(state)) lua_sethook(state, NULL, 0, 0);
}

static void say(const struct pe_account *account, double held, const char *end) {
    char text[128];
    snprintf(text, sizeof text, "it has held the engine for %d.%d s in a call that cannot be interrupted%s", (int)held,
             (int)(held * 10) % 10, end);
    pe_log_write_plainly(PE_LOG_ERROR, account->label, text);
}

// What no hook can end, as a pattern that string.find backtracks over for minutes.
static void despair(const struct pe_account *account, double held) {
    static unsigned warned;
    static int warn_at; // budgets
    double budget = fmax(account->budget, LEAST);
    if (warned != entry) warned = entry, warn_at = WARN;
    if (held >= GIVE_UP * budget) {
        say(account, held, ": the process ends");
        _exit(EX_SOFTWARE);
    }
    if (held >= warn_at * budget) warn_at *= 2, say(account, held, "");
}

// What a tick does, and what follows a collection in the hook. The time is that since the entry was first looked at.
// Does only what is safe in a signal handler.
static void look(struct pe_account *account) {
    static unsigned seen;
    static double first;
    cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    if (account->budget <= 0) return;
    if (seen != entry) seen = entry, first = cpu;
    double held = cpu - first;
    if (held < account->budget) return;
    if (late != entry) account->interrupted++, late_by = held, late = entry;
    pe_watchdog_interrupt();
    despair(account, held);
}

static void on_tick(int unused) {
    int error = errno;
    (void)unused;
    ticks++;
    look(pe_account_running());
    errno = error;
}

// What the engine's own functions share must stay whole; they are short.
static bool is_in_own_code(lua_State *L) {
    lua_Debug function = {0};
    for (int level = 0; lua_getstack(L, level, &function); level++) {
        lua_getinfo(L, "S", &function);
        if (*function.what != 'C') return strncmp(function.source, own_code, strlen(own_code)) == 0;
    }
    return false;
}

// Whether it still holds too much when its garbage is gone. That takes as long as all of the state is large: where
// little was gained the last time it is not tried again.
static bool is_over_limit(lua_State *L, struct pe_account *account) {
    static unsigned collected; // the entry for which that was done last
    static size_t kept;        // bytes that were left
    size_t limit = account->memory_limit;
    if (condemned == entry) return true;
    if (account->bytes > limit && (collected != entry || kept <= limit - limit / 8)) {
        lua_gc(L, LUA_GCCOLLECT, 0);
        collected = entry;
        kept = account->bytes;
    }
    if (account->bytes <= limit) return false;
    condemned = entry;
    account->wanted = 0; // what it holds is the reason, not what it once wanted
    pe_turn_collect();
    account->refused++;
    return true;
}

static void on_hook(lua_State *L, lua_Debug *unused) {
    char held[32];
    (void)unused;
    if (is_in_own_code(L)) return (void)lua_sethook(state, on_hook, LUA_MASKCOUNT, 100); // each would hold it up
    struct pe_account *account = pe_account_pause();
    if (late == entry) {
        snprintf(held, sizeof held, late_by < 1 ? "%.2f" : "%.1f", late_by);
        lua_pushfstring(L, "%s held the engine for %s s", account->label, held);
    } else if (is_over_limit(L, account)) {
        pe_account_push_refusal(L, account);
    } else {
        pe_account_go_on(account);
        return look(account);
    }
    pe_account_go_on(account);
    pe_watchdog_interrupt();
    lua_error(L);
}

void pe_watchdog_interrupt(void) {
    if (!lua_gethookmask(state)) lua_sethook(state, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT, 1);
}

void pe_watchdog_open(lua_State *L, const char *root) {
    struct itimerspec every = {.it_interval.tv_nsec = 1000000000 / TICKS, .it_value.tv_nsec = 1000000000 / TICKS};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGVTALRM};
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    sigset_t signals;
    timer_t timer;
    state = L;
    snprintf(own_code, sizeof own_code, "@%s/engine/", root);
    event._sigev_un._tid = gettid();
    sigemptyset(&signals);
    sigaddset(&signals, SIGVTALRM);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    if (sigaction(SIGVTALRM, &action, NULL) || timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) ||
        timer_settime(timer, 0, &every, NULL))
        pe_log_write_plainly(PE_LOG_WARN, "engine", "there is no timer of CPU time: no budget is kept");
}
