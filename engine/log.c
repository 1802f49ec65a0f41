// SPDX-License-Identifier: MIT
// Lays messages out for who reads stderr: a terminal, the journal, a file or a program.
#include "log.h"
#include "repeats.h"
#include "task.h"
#include "text.h"
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_MESSAGE = 1024 * 1024 };

struct message {
    enum pe_log_level level;
    const char *source, *text, *fields, *traceback; // fields are laid out already; both may be NULL
    size_t length, cut;                             // of text; bytes left out after it
};

static const char *const level_names[] = {"debug", "info", "warn", "error", NULL};
static const char *const format_names[] = {"text", "json", NULL};
static enum pe_log_level lowest = PE_LOG_INFO;
static enum { TEXT, JSON } format;
static enum { UNKNOWN, TERMINAL, JOURNAL, OTHER } reader;
static unsigned counts[PE_LOG_ERROR + 1];

static bool is_shut_down;

static struct {
    lua_State *L; // a coroutine of its own
    int thread;   // registry references, released by the next capture
    int function;
    bool is_running;
} hook = {.thread = LUA_NOREF, .function = LUA_NOREF};

// The journal says with JOURNAL_STREAM which device and inode it listens on: systemd.exec(5).
static void find_reader(void) {
    struct stat found;
    unsigned long long device, inode;
    const char *stream = getenv("JOURNAL_STREAM");
    reader = isatty(STDERR_FILENO) ? TERMINAL : OTHER;
    if (stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && !fstat(STDERR_FILENO, &found) &&
        found.st_dev == device && found.st_ino == inode)
        reader = JOURNAL;
}

static void add_time(struct pe_text *line, bool is_short) {
    struct timespec now;
    struct tm parts;
    char buffer[32];
    clock_gettime(CLOCK_REALTIME, &now);
    if (is_short)
        localtime_r(&now.tv_sec, &parts);
    else
        gmtime_r(&now.tv_sec, &parts);
    strftime(buffer, sizeof buffer, is_short ? "%H:%M:%S" : "%Y-%m-%dT%H:%M:%S", &parts);
    if (is_short)
        pe_text_format(line, "%s", buffer);
    else
        pe_text_format(line, "%s.%03dZ", buffer, (int)(now.tv_nsec / 1000000));
}

static void lay_out_json(struct pe_text *line, const struct message *message) {
    pe_text_format(line, "{\"time\":\"");
    add_time(line, false);
    pe_text_format(line, "\",\"level\":\"%s\",\"source\":", level_names[message->level]);
    pe_text_add_json(line, message->source, strlen(message->source));
    pe_text_format(line, ",\"message\":");
    pe_text_add_json(line, message->text, message->length);
    if (message->cut) pe_text_format(line, ",\"cut\":%zu", message->cut);
    if (message->fields && *message->fields) {
        pe_text_add(line, ",", 1);
        pe_text_add(line, message->fields, strlen(message->fields));
    }
    if (message->traceback) {
        pe_text_format(line, ",\"traceback\":");
        pe_text_add_json(line, message->traceback, strlen(message->traceback));
    }
    pe_text_add(line, "}", 1);
}

static void lay_out_text(struct pe_text *line, const struct message *message, const char *prefix) {
    if (reader != JOURNAL) {
        add_time(line, reader == TERMINAL);
        pe_text_add(line, " ", 1);
    }
    pe_text_format(line, "%-5s [", level_names[message->level]);
    pe_text_add_lines(line, message->source, strlen(message->source), prefix);
    pe_text_add(line, "] ", 2);
    pe_text_add_lines(line, message->text, message->length, prefix);
    if (message->cut) pe_text_format(line, " cut=%zu", message->cut);
    if (message->fields && *message->fields) {
        pe_text_add(line, " ", 1);
        pe_text_add(line, message->fields, strlen(message->fields));
    }
    if (!message->traceback) return;
    pe_text_format(line, "\n%s    ", prefix);
    pe_text_add_lines(line, message->traceback, strlen(message->traceback), prefix);
}

// Tries the rest of a short write once and drops what is left then: a log that blocks or fails stops nobody.
static void put(const char *bytes, size_t length) {
    static bool is_torn; // the last message has no end: do not let this one be its continuation
    ssize_t count = 0;
    if (is_torn) is_torn = write(STDERR_FILENO, "\n", 1) != 1;
    for (int tries = 0; tries < 2 && count >= 0 && length > 0; tries++) {
        do count = write(STDERR_FILENO, bytes, length);
        while (count < 0 && errno == EINTR);
        if (count > 0) bytes += count, length -= (size_t)count, is_torn = length > 0;
    }
}

static void say(const struct message *message) {
    static const char *const priorities[] = {"<7>", "<6>", "<4>", "<3>"}; // sd-daemon(3)
    static struct pe_text line;
    if (reader == UNKNOWN) find_reader();
    const char *prefix = reader == JOURNAL ? priorities[message->level] : "";
    pe_text_add(&line, prefix, strlen(prefix));
    if (format == JSON)
        lay_out_json(&line, message);
    else
        lay_out_text(&line, message, prefix);
    pe_text_add(&line, "\n", 1);
    if (line.bytes) put(line.bytes, line.length);
    pe_text_clear(&line);
}

void pe_log_say_count(enum pe_log_level level, const char *source, const char *text) {
    say(&(struct message){level, source, text, NULL, NULL, strlen(text), 0});
}

static void push_traceback(lua_State *L, const char *traceback) {
    if (!traceback) return lua_pushnil(L);
    lua_createtable(L, 0, 1);
    lua_pushstring(L, traceback);
    lua_setfield(L, -2, "traceback");
}

// Gives the message to a spec's function, with the fields on top of `L`; that is NULL for a message of the core. True
// if there is one; what it raises is said instead.
static bool give_to_hook(lua_State *L, const struct message *message) {
    lua_State *H = hook.L;
    if (!H || hook.is_running || !pe_vm_is_entered()) return false;
    lua_settop(H, 0);
    lua_rawgeti(H, LUA_REGISTRYINDEX, hook.function);
    lua_pushstring(H, level_names[message->level]);
    lua_pushstring(H, message->source);
    lua_pushlstring(H, message->text, message->length);
    if (L)
        lua_pushvalue(L, -1), lua_xmove(L, H, 1);
    else
        push_traceback(H, message->traceback);
    hook.is_running = true;
    int status = lua_pcall(H, 4, 0, 0);
    hook.is_running = false;
    if (status) pe_log_say_count(PE_LOG_ERROR, "log.capture", lua_isstring(H, -1) ? lua_tostring(H, -1) : "it raised");
    return true;
}

static void take(lua_State *L, struct message *message) {
    counts[message->level]++;
    if (message->level < lowest || give_to_hook(L, message)) return;
    if (message->length > MAX_MESSAGE) message->cut = message->length - MAX_MESSAGE, message->length = MAX_MESSAGE;
    if (!is_shut_down) pe_repeats_check();
    if (!is_shut_down && message->level >= PE_LOG_WARN &&
        pe_repeats_has(message->level, message->source, message->text, message->length, message->fields))
        return;
    say(message);
}

void pe_log_write(enum pe_log_level level, const char *source, const char *message, const char *traceback) {
    take(NULL, &(struct message){level, source, message, NULL, traceback, strlen(message), 0});
}

void pe_log_shut_down(void) {
    if (is_shut_down) return;
    is_shut_down = true;
    hook.L = NULL;
    pe_repeats_shut_down();
}

static int check_name(lua_State *L, const char *const names[], const char *expected) {
    const char *name = luaL_checkstring(L, 1);
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0) return i;
    return luaL_error(L, "expected %s, found \"%s\"", expected, name);
}

// level(name?) -> name
static int l_level(lua_State *L) {
    if (!lua_isnoneornil(L, 1)) lowest = check_name(L, level_names, "the log level debug, info, warn or error");
    lua_pushstring(L, level_names[lowest]);
    return 1;
}

// format(name?) -> name
static int l_format(lua_State *L) {
    if (!lua_isnoneornil(L, 1)) format = check_name(L, format_names, "the log format text or json");
    lua_pushstring(L, format_names[format]);
    return 1;
}

// is_wanted(level): so that a message that nobody reads costs nothing.
static int l_is_wanted(lua_State *L) {
    lua_pushboolean(L, check_name(L, level_names, "a log level") >= (int)lowest);
    return 1;
}

// write(level, source or nil, message, fields as text or nil, traceback or nil, fields)
static int l_write(lua_State *L) {
    struct message message = {.level = check_name(L, level_names, "a log level")};
    message.source = lua_isnoneornil(L, 2) ? pe_scope_label(pe_task_scope()) : luaL_checkstring(L, 2);
    message.text = luaL_checklstring(L, 3, &message.length);
    message.fields = luaL_optstring(L, 4, NULL);
    message.traceback = luaL_optstring(L, 5, NULL);
    lua_settop(L, 6);
    take(L, &message);
    return 0;
}

// quote(text) -> JSON string
static int l_quote(lua_State *L) {
    static struct pe_text quoted;
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    pe_text_clear(&quoted); // here, since the push below may raise
    pe_text_add_json(&quoted, bytes, length);
    lua_pushlstring(L, quoted.bytes ? quoted.bytes : "\"\"", quoted.bytes ? quoted.length : 2);
    return 1;
}

static int l_capture(lua_State *L) {
    if (!lua_isnoneornil(L, 1)) luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_State *H = lua_newthread(L);
    luaL_unref(L, LUA_REGISTRYINDEX, hook.thread);
    luaL_unref(L, LUA_REGISTRYINDEX, hook.function);
    hook.thread = luaL_ref(L, LUA_REGISTRYINDEX);
    hook.L = lua_isnil(L, 1) ? NULL : H;
    hook.function = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

// repeat_window(seconds?) -> seconds
static int l_repeat_window(lua_State *L) {
    double seconds = luaL_optnumber(L, 1, -1);
    luaL_argcheck(L, lua_isnoneornil(L, 1) || (seconds >= 0 && seconds <= 1e6), 1, "expected seconds from 0 to 1e6");
    lua_pushnumber(L, pe_repeats_window(seconds));
    return 1;
}

static int l_counts(lua_State *L) {
    lua_createtable(L, 0, 4);
    for (int level = 0; level_names[level]; level++) {
        lua_pushnumber(L, counts[level]);
        lua_setfield(L, -2, level_names[level]);
    }
    return 1;
}

static const luaL_Reg functions[] = {
    {"level", l_level}, {"format", l_format},   {"write", l_write},   {"is_wanted", l_is_wanted},
    {"quote", l_quote}, {"capture", l_capture}, {"counts", l_counts}, {"repeat_window", l_repeat_window},
    {NULL, NULL}};

int luaopen_engine_log(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
