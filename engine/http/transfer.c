// SPDX-License-Identifier: MIT
// Transfers: an easy handle of libcurl's, what has come of its answer, and the task that waits for more.
#include "transfer.h"
#include "../account.h"
#include "../handle.h"
#include "../timer.h"
#include "head.h"
#include "multi.h"
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_HEADS = 64 * 1024, // bytes of all heads and trailers of one answer; Apache takes 8 kB, nginx 32
    MAX_LISTS = 4,         // options that are lists
    MAX_STATUS = 999,      // three digits, RFC 9110 section 15
    TRUST_TIME = 60        // seconds for which a connection, and what certificates say, is taken to be still so
};

enum wish { HEAD, SOME, ALL };

struct buffer {
    char *bytes;
    size_t size, room;
};

struct transfer {
    struct pe_handle handle;
    uv_timer_t timer; // of the whole answer, of a stream's head, then of its silence
    struct pe_multi_member member;
    struct curl_slist *lists[MAX_LISTS];
    struct buffer head, body;
    size_t limit, heads; // bytes
    uint64_t idle;       // milliseconds; 0: no stream
    uint64_t heard;      // loop milliseconds of the last bytes
    enum wish wish;
    CURLcode result;
    int status; // libuv's, of making a socket
    bool is_running, is_done, has_head, is_next_head, is_paused, is_stirred;
    TAILQ_ENTRY(transfer) next_stirred;
    char text[CURL_ERROR_SIZE];
};

static TAILQ_HEAD(stirred, transfer) stirred = TAILQ_HEAD_INITIALIZER(stirred); // something has come of these
static bool has_ca_file;                                                        // libcurl was built with one to trust

static void stir(struct transfer *transfer) {
    if (!transfer->is_stirred) TAILQ_INSERT_TAIL(&stirred, transfer, next_stirred);
    transfer->is_stirred = true;
}

static void calm(struct transfer *transfer) {
    if (transfer->is_stirred) TAILQ_REMOVE(&stirred, transfer, next_stirred);
    transfer->is_stirred = false;
}

static void empty(struct buffer *buffer) {
    pe_account_allocate(NULL, buffer->bytes, buffer->room, 0);
    *buffer = (struct buffer){0};
}

static void on_close(struct pe_handle *handle) {
    struct transfer *transfer = (struct transfer *)handle;
    calm(transfer);
    if (transfer->is_running) pe_multi_remove(&transfer->member);
    transfer->is_running = false;
    // It is not used again: up to 7.88 what it kept of a head is used after its end.
    curl_easy_cleanup(transfer->member.easy);
    for (int i = 0; i < MAX_LISTS; i++) curl_slist_free_all(transfer->lists[i]);
    empty(&transfer->head);
    empty(&transfer->body);
}

static const struct pe_handle_class transfer_class = {.name = "http transfer", .on_close = on_close};

// As much as account.c lets a task have: garbage is only known after a collection.
static bool is_allowed(const struct pe_account *account, size_t more) {
    return account->memory_limit == SIZE_MAX || account->bytes + more <= 2 * account->memory_limit;
}

static bool grow(struct buffer *buffer, size_t size, struct pe_account *account) {
    size_t room = buffer->room ? 2 * buffer->room : 512;
    while (room < size) room *= 2;
    if (!is_allowed(account, room - buffer->room)) return false;
    pe_account_charge(account);
    char *grown = pe_account_allocate(NULL, buffer->bytes, buffer->room, room);
    pe_account_charge(pe_account_engine());
    if (!grown) return false;
    buffer->bytes = grown;
    buffer->room = room;
    return true;
}

// In a callback of libcurl's.
static bool append(struct transfer *transfer, struct buffer *buffer, const char *bytes, size_t count) {
    size_t size = buffer->size + count;
    if (size > buffer->room && !grow(buffer, size, transfer->handle.scope->account)) return false;
    memcpy(buffer->bytes + buffer->size, bytes, count);
    buffer->size += count;
    return true;
}

static size_t refuse(struct transfer *transfer, CURLcode result) {
    transfer->result = result;
    return 0;
}

static void on_late(uv_timer_t *timer);

// One line of a head, or of trailers. Answers below 200 only announce the answer.
static size_t on_head(char *line, size_t unused, size_t count, void *argument) {
    struct transfer *transfer = argument;
    long status = 0;
    (void)unused;
    if (count > MAX_HEADS - transfer->heads) return refuse(transfer, CURLE_FILESIZE_EXCEEDED);
    transfer->heads += count;
    if (transfer->has_head) return count;
    if (transfer->is_next_head) transfer->head.size = 0;
    transfer->is_next_head = false;
    if (!append(transfer, &transfer->head, line, count)) return refuse(transfer, CURLE_OUT_OF_MEMORY);
    if (*line != '\r' && *line != '\n') return count;
    transfer->is_next_head = true;
    curl_easy_getinfo(transfer->member.easy, CURLINFO_RESPONSE_CODE, &status);
    if (status > MAX_STATUS) return refuse(transfer, CURLE_WEIRD_SERVER_REPLY);
    transfer->has_head = status >= 200;
    if (!transfer->has_head || !transfer->idle) return count;
    transfer->heard = uv_now(pe_vm_loop());
    uv_timer_start(&transfer->timer, on_late, transfer->idle, 0);
    stir(transfer);
    return count;
}

static size_t on_body(char *bytes, size_t unused, size_t count, void *argument) {
    struct transfer *transfer = argument;
    (void)unused;
    if (transfer->idle && transfer->body.size >= transfer->limit) {
        transfer->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!transfer->idle && count > transfer->limit - transfer->body.size)
        return refuse(transfer, CURLE_FILESIZE_EXCEEDED);
    if (!append(transfer, &transfer->body, bytes, count)) return refuse(transfer, CURLE_OUT_OF_MEMORY);
    if (transfer->idle) {
        transfer->heard = uv_now(pe_vm_loop());
        stir(transfer);
    }
    return count;
}

// libcurl may end well without an answer, as after "101 Switching Protocols".
static void on_done(struct pe_multi_member *member, CURLcode result) {
    struct transfer *transfer = (struct transfer *)((char *)member - offsetof(struct transfer, member));
    bool is_refused = transfer->result == CURLE_WEIRD_SERVER_REPLY || (!result && !transfer->has_head);
    long status = 0;
    transfer->is_running = false;
    transfer->is_done = true;
    if (!transfer->result) transfer->result = is_refused ? CURLE_WEIRD_SERVER_REPLY : result;
    curl_easy_getinfo(transfer->member.easy, CURLINFO_RESPONSE_CODE, &status);
    if (is_refused)
        snprintf(transfer->text, sizeof transfer->text, "expected a status from 200 to %d, found %ld", MAX_STATUS,
                 status);
    stir(transfer);
}

static const char *phase_of(const struct transfer *transfer) {
    curl_off_t ready = 0;
    curl_easy_getinfo(transfer->member.easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    if (transfer->has_head) return "body";
    return ready ? "head" : "connect";
}

static int push_failure(lua_State *L, const struct transfer *transfer) {
    long number = 0;
    curl_easy_getinfo(transfer->member.easy, CURLINFO_OS_ERRNO, &number);
    int status = number ? -(int)number : transfer->status;
    lua_pushnil(L);
    lua_pushinteger(L, transfer->result);
    lua_pushstring(L, *transfer->text ? transfer->text : curl_easy_strerror(transfer->result));
    lua_pushstring(L, phase_of(transfer));
    if (!status) return 4;
    lua_pushstring(L, uv_err_name(status));
    lua_pushstring(L, uv_strerror(status));
    return 6;
}

static int push_head(lua_State *L, struct transfer *transfer) {
    long status = 0;
    curl_easy_getinfo(transfer->member.easy, CURLINFO_RESPONSE_CODE, &status);
    lua_pushinteger(L, status);
    pe_head_push(L, transfer->head.bytes, transfer->head.size);
    return 3;
}

static void stop(struct transfer *transfer, CURLcode result) {
    if (!transfer->is_running) return;
    pe_multi_remove(&transfer->member);
    on_done(&transfer->member, result);
}

// libcurl hands over what it held back, in this call.
static void go_on(struct transfer *transfer) {
    struct pe_account *account = pe_account_pause();
    transfer->is_paused = false;
    transfer->heard = uv_now(pe_vm_loop());
    CURLcode result = curl_easy_pause(transfer->member.easy, CURLPAUSE_CONT);
    if (result) stop(transfer, result);
    pe_account_go_on(account);
}

static int push_some(lua_State *L, struct transfer *transfer) {
    struct buffer *body = &transfer->body;
    if (!body->size && transfer->result) return push_failure(L, transfer);
    if (!body->size) return 0;
    lua_pushlstring(L, body->bytes, body->size);
    body->size = 0;
    if (transfer->is_paused && transfer->is_running) go_on(transfer);
    return 1;
}

static int push(lua_State *L, void *operation) {
    struct transfer *transfer = operation;
    if (transfer->wish == SOME) return push_some(L, transfer);
    if (transfer->wish == HEAD && transfer->has_head) return push_head(L, transfer);
    if (transfer->result || !transfer->has_head) return push_failure(L, transfer);
    push_head(L, transfer);
    lua_pushlstring(L, transfer->body.bytes, transfer->body.size);
    return 4;
}

static bool is_ready(const struct transfer *transfer) {
    if (transfer->is_done) return true;
    return transfer->wish == HEAD ? transfer->has_head : transfer->wish == SOME && transfer->body.size > 0;
}

// Who is resumed here may close any transfer.
static void hand_out(void) {
    struct transfer *transfer;
    while ((transfer = TAILQ_FIRST(&stirred))) {
        calm(transfer);
        if (is_ready(transfer)) pe_task_finish(&transfer->handle.waiter, push, transfer);
    }
}

// A stream is late when it was silent for too long; while nobody reads, it may be.
static void on_late(uv_timer_t *timer) {
    struct transfer *transfer = timer->data;
    if (!transfer->is_running) return;
    if (transfer->idle && transfer->has_head) {
        uint64_t silence = transfer->is_paused ? 0 : uv_now(pe_vm_loop()) - transfer->heard;
        if (silence < transfer->idle) {
            uv_timer_start(timer, on_late, transfer->idle - silence, 0);
            return;
        }
    }
    stop(transfer, CURLE_OPERATION_TIMEDOUT);
    hand_out();
}

static void abandon(struct pe_wait *waiter) {
    pe_handle_close((struct pe_handle *)waiter);
}

static int wait_for(lua_State *L, enum wish wish) {
    struct transfer *transfer = pe_handle_self(L);
    struct pe_handle *handle = &transfer->handle;
    if (handle->waiter.task) luaL_error(L, "another task waits for this answer already");
    if (handle->closed) return pe_vm_refuse(L, "closed", "ECANCELED");
    if (!pe_task_may_wait(L)) return lua_yield(L, 0);
    transfer->wish = wish;
    if (is_ready(transfer)) return push(L, transfer);
    return pe_task_suspend(L, &handle->waiter, wish == SOME ? NULL : abandon);
}

static int l_answer(lua_State *L) {
    return wait_for(L, ALL);
}

static int l_head(lua_State *L) {
    return wait_for(L, HEAD);
}

static int l_read(lua_State *L) {
    return wait_for(L, SOME);
}

static CURLcode set_list(lua_State *L, struct transfer *transfer, CURLoption option) {
    int place = 0;
    while (place < MAX_LISTS && transfer->lists[place]) place++;
    if (place == MAX_LISTS) luaL_error(L, "expected at most %d options that are lists", MAX_LISTS);
    for (int i = 1; i <= (int)lua_objlen(L, -1); i++) {
        lua_rawgeti(L, -1, i);
        struct curl_slist *grown = curl_slist_append(transfer->lists[place], luaL_checkstring(L, -1));
        if (!grown) return CURLE_OUT_OF_MEMORY;
        transfer->lists[place] = grown;
        lua_pop(L, 1);
    }
    return curl_easy_setopt(transfer->member.easy, option, transfer->lists[place]);
}

// The value is on top. The number of an option tells what it takes.
static CURLcode set(lua_State *L, struct transfer *transfer, CURLoption option) {
    CURL *easy = transfer->member.easy;
    size_t size;
    if (lua_istable(L, -1)) return set_list(L, transfer, option);
    if (option < CURLOPTTYPE_OBJECTPOINT) return curl_easy_setopt(easy, option, (long)luaL_checknumber(L, -1));
    if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB)
        return curl_easy_setopt(easy, option, (curl_off_t)luaL_checknumber(L, -1));
    const char *text = luaL_checklstring(L, -1, &size);
    struct curl_blob blob = {(void *)text, size, CURL_BLOB_COPY};
    return option < CURLOPTTYPE_FUNCTIONPOINT ? curl_easy_setopt(easy, option, text)
                                              : curl_easy_setopt(easy, option, &blob);
}

// What holds for all. Only these two protocols, whatever a server may say; no signals; a look-up of libcurl's own, in a
// thread, is not waited for at the end. A folder of certificates would be trusted beside those that are given, and read
// for each connection: it only counts where libcurl has no file of them.
static CURLcode set_basics(struct transfer *transfer) {
    CURL *easy = transfer->member.easy;
    CURLcode result = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, pe_multi_on_connect);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer->status);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, pe_multi_on_disconnect);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)TRUST_TIME); // to read the system's takes about 20 ms
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)TRUST_TIME);
    if (has_ca_file) curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    return result;
}

static CURLcode set_up(lua_State *L, struct transfer *transfer) {
    CURLcode result = set_basics(transfer);
    for (int i = 1; !result && i < (int)lua_objlen(L, 1); i += 2) {
        lua_rawgeti(L, 1, i);
        lua_rawgeti(L, 1, i + 1);
        result = set(L, transfer, (CURLoption)luaL_checkint(L, -2));
        lua_pop(L, 2);
    }
    return result;
}

static void add(struct transfer *transfer) {
    transfer->status = pe_multi_add(&transfer->member);
    if (transfer->status) transfer->result = CURLE_COULDNT_CONNECT;
}

int pe_transfer_l_start(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    double seconds = luaL_checknumber(L, 2), limit = luaL_checknumber(L, 3), idle = luaL_optnumber(L, 4, 0);
    lua_settop(L, 4);
    struct transfer *transfer = pe_handle_new(L, &transfer_class, sizeof *transfer);
    uv_timer_init(pe_vm_loop(), &transfer->timer);
    if (!pe_handle_open(&transfer->handle, (uv_handle_t *)&transfer->timer))
        return pe_vm_refuse(L, "closed", "ECANCELED");
    transfer->limit = (size_t)limit;
    transfer->idle = (uint64_t)ceil(1000 * idle);
    transfer->member.easy = curl_easy_init();
    transfer->result = transfer->member.easy ? set_up(L, transfer) : CURLE_OUT_OF_MEMORY;
    if (!transfer->result) add(transfer);
    transfer->is_running = !transfer->result;
    pe_timer_start(&transfer->timer, on_late, (uint64_t)ceil(1000 * seconds));
    if (!transfer->result) return 1;
    int count = push_failure(L, transfer);
    pe_handle_close(&transfer->handle);
    return count;
}

static const luaL_Reg methods[] = {
    {"answer", l_answer}, {"head", l_head}, {"read", l_read}, {"close", pe_handle_l_close}, {NULL, NULL}};

void pe_transfer_register(lua_State *L) {
    pe_handle_register(L, &transfer_class, methods);
    pe_multi_open(pe_vm_loop(), on_done, hand_out);
    has_ca_file = curl_version_info(CURLVERSION_NOW)->cainfo != NULL;
}

void pe_transfer_shut_down(void) {
    pe_multi_close();
}
