// SPDX-License-Identifier: MIT
// Whose memory, whose time. Each block of the state has its account in the 8 bytes before it.
#include "account.h"
#include "modules.h"
#include "vm.h"
#include "watchdog.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char box_name[] = "account";

static struct pe_account engine = {.label = (char[]){"engine"},
                                   .memory_limit = SIZE_MAX,
                                   .references = 1,
                                   .ready = TAILQ_HEAD_INITIALIZER(engine.ready)};
static struct pe_account *owner = &engine;
static struct pe_account *volatile running = &engine;
static double others; // CPU seconds of all accounts but the engine's

struct pe_account *pe_account_engine(void) {
    return &engine;
}

struct pe_account *pe_account_running(void) {
    return running;
}

struct pe_account *pe_account_hold(struct pe_account *account) {
    account->references++;
    return account;
}

static void free_unused(struct pe_account *account) {
    if (account->references || account->bytes) return;
    free(account->label);
    free(account);
}

void pe_account_release(struct pe_account *account) {
    account->references--;
    free_unused(account);
}

// Garbage does not count, but is only known after a collection, which cannot be made here: twice the limit may be held
// until the next instruction, where watchdog.c makes one. What is more has no place in any case. A block of another's
// may grow by the limit: the VM's buffer for strings is the engine's.
static bool is_too_much(const struct pe_account *account, size_t more) {
    size_t limit = running->memory_limit;
    if (limit == SIZE_MAX) return false;
    if (account == running ? account->bytes + more <= 2 * limit : more <= limit) return false;
    running->refused++;
    running->wanted = more;
    return true;
}

void *pe_account_allocate(void *unused, void *block, size_t old_size, size_t new_size) {
    struct pe_account **tag = block ? (struct pe_account **)block - 1 : NULL;
    struct pe_account *account = tag ? *tag : owner;
    (void)unused;
    if (!tag) old_size = 0;
    if (!new_size) {
        free(tag);
    } else {
        if (new_size > old_size && is_too_much(account, new_size - old_size)) return NULL;
        if (!(tag = realloc(tag, new_size + sizeof *tag))) return NULL;
        *tag = account;
    }
    account->bytes += new_size - old_size;
    if (!account->bytes) free_unused(account);
    if (running->bytes > running->memory_limit) pe_watchdog_interrupt();
    return new_size ? tag + 1 : NULL;
}

void pe_account_charge(struct pe_account *account) {
    owner = account;
}

void pe_account_begin(struct pe_account *account) {
    if (account == &engine) return;
    account->references++;
    account->wanted = 0;
    pe_watchdog_begin();
    owner = running = account;
    if (account->bytes > account->memory_limit) pe_watchdog_interrupt();
}

void pe_account_end(struct pe_account *account) {
    owner = running = &engine;
    if (account == &engine) return;
    double seconds = pe_watchdog_end();
    account->cpu += seconds;
    account->is_heavy = seconds > 0.01;
    others += seconds;
    pe_account_release(account);
}

struct pe_account *pe_account_pause(void) {
    struct pe_account *account = running;
    owner = running = &engine;
    if (account != &engine) pe_watchdog_calm();
    return account;
}

void pe_account_go_on(struct pe_account *account) {
    owner = running = account;
}

void pe_account_push_refusal(lua_State *L, const struct pe_account *account) {
    static const double megabyte = 1 << 20;
    char text[160], wanted[32] = "";
    if (account->wanted)
        snprintf(wanted, sizeof wanted, " and wanted %.1f MB more", (double)account->wanted / megabyte);
    snprintf(text, sizeof text, "not enough memory: it holds %.1f MB%s, memory_limit is %g MB",
             (double)account->bytes / megabyte, wanted, (double)account->memory_limit / megabyte);
    lua_pushstring(L, text);
}

struct pe_account *pe_account_opt(lua_State *L, int index) {
    return lua_isnoneornil(L, index) ? NULL : pe_vm_pointer(L, index, box_name);
}

static struct pe_account *open_account(const char *label) {
    struct pe_account *account = calloc(1, sizeof *account);
    if (!account || !(account->label = strdup(label))) return free(account), NULL;
    TAILQ_INIT(&account->ready);
    account->memory_limit = SIZE_MAX;
    return account;
}

// new(label); without a label it is the engine's
static int l_new(lua_State *L) {
    const char *label = luaL_optstring(L, 1, NULL);
    struct pe_account **box = pe_vm_object(L, box_name, sizeof *box), *account = label ? open_account(label) : &engine;
    if (!account) luaL_error(L, "not enough memory for an account");
    *box = pe_account_hold(account);
    return 1;
}

// account:limit(budget, memory_limit): 0 is none
static int l_limit(lua_State *L) {
    struct pe_account *account = pe_vm_pointer(L, 1, box_name);
    lua_Number bytes = luaL_checknumber(L, 3);
    if (account == &engine) luaL_error(L, "the engine's account has no limits");
    account->budget = luaL_checknumber(L, 2);
    account->memory_limit = bytes > 0 ? (size_t)bytes : SIZE_MAX;
    return 0;
}

// account:stats() -> bytes, cpu, tasks, handles, interrupted, refused
static int l_stats(lua_State *L) {
    const struct pe_account *account = pe_vm_pointer(L, 1, box_name);
    lua_pushnumber(L, (lua_Number)account->bytes);
    lua_pushnumber(L, account == &engine ? pe_watchdog_cpu() - others : account->cpu);
    lua_pushinteger(L, account->tasks);
    lua_pushinteger(L, account->handles);
    lua_pushinteger(L, account->interrupted);
    lua_pushinteger(L, account->refused);
    return 6;
}

static void release(void *account) {
    pe_account_release(account);
}

static const luaL_Reg methods[] = {{"limit", l_limit}, {"stats", l_stats}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"new", l_new}, {NULL, NULL}};

int luaopen_engine_account(lua_State *L) {
    pe_vm_class(L, box_name, release, methods);
    return pe_vm_module(L, functions, box_name);
}
