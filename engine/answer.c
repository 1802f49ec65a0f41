// SPDX-License-Identifier: MIT
// Reads DNS answers (RFC 1035 section 4). c-ares 1.18 has no TTL for most types and no parser for CNAME.
// Invariant: `at` never passes `length`, and a compression pointer leads strictly backwards.
#include "answer.h"
#include <ares.h>
#include <ares_nameser.h>
#include <arpa/inet.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum {
    HEADER_SIZE = 12,
    MAX_HOPS = 16,
    MAX_JUMPS = 64,
    MAX_ROOM = 64,           // made for records before they are seen
    NAME_TEXT = 4 * 255 + 1, // each byte may be written \DDD
};

struct reader {
    const uint8_t *packet;
    size_t length, at;
};

struct rr {
    bool is_wanted; // its owner is the name of the question
    int type, class;
    uint32_t ttl;
    size_t data, end; // offsets
};

struct question {
    int type;
    size_t at; // where the name stands in the packet
    char name[NAME_TEXT];
    uint32_t ttl; // the least of the CNAMEs so far
    int hops;     // how many those are
};

static int read_16(const uint8_t *at) {
    return at[0] << 8 | at[1];
}

// Writes one label, escaped as in a zone file, and returns where the text ends. By sprintf a hostile answer of 64 KB
// held the loop for 850 ms, so for 40.
static char *write_label(char *out, const uint8_t *label, size_t length) {
    for (const uint8_t *end = label + length; label < end; label++) {
        if (*label <= ' ' || *label >= 127) {
            *out++ = '\\';
            *out++ = (char)('0' + *label / 100);
            *out++ = (char)('0' + *label / 10 % 10);
            *out++ = (char)('0' + *label % 10);
            continue;
        }
        if (*label == '.' || *label == '\\') *out++ = '\\';
        *out++ = (char)*label;
    }
    return out;
}

// Reads a possibly compressed name at `r->at` as text without a trailing dot, and moves past it. False if malformed.
static bool read_name(struct reader *r, char out[NAME_TEXT]) {
    size_t at = r->at, total = 1, limit = r->length;
    char *start = out;
    int jumps = 0;
    while (at < limit) {
        size_t length = r->packet[at];
        if (length >= 0xc0) {
            if (at + 2 > limit || jumps == MAX_JUMPS) return false;
            if (!jumps++) r->at = at + 2;
            limit = at; // a pointer leads to what stands before it
            at = (size_t)read_16(r->packet + at) & 0x3fff;
            continue;
        }
        if (!length) {
            if (!jumps) r->at = at + 1;
            *out = 0;
            return true;
        }
        total += length + 1;
        if (length > 63 || total > 255 || at + 1 + length > r->length) return false;
        if (out > start) *out++ = '.';
        out = write_label(out, r->packet + at + 1, length);
        at += 1 + length;
    }
    return false;
}

// Nearly all owners are pointers to where the wanted name stands, and need no reading.
static bool read_rr(struct reader *r, struct rr *rr, const struct question *q) {
    char owner[NAME_TEXT];
    bool is_pointer = r->at + 2 <= r->length && read_16(r->packet + r->at) == 0xc000 + (int)q->at;
    if (is_pointer) r->at += 2;
    if (!is_pointer && !read_name(r, owner)) return false;
    rr->is_wanted = is_pointer || !strcasecmp(owner, q->name);
    if (r->at + 10 > r->length) return false;
    const uint8_t *fixed = r->packet + r->at;
    rr->type = read_16(fixed);
    rr->class = read_16(fixed + 2);
    rr->ttl = (uint32_t)read_16(fixed + 4) << 16 | (uint32_t)read_16(fixed + 6);
    if (rr->ttl > INT32_MAX) rr->ttl = 0; // RFC 2181 section 8
    rr->data = r->at + 10;
    rr->end = rr->data + (size_t)read_16(fixed + 8);
    r->at = rr->end;
    return rr->end <= r->length;
}

// Reads the name at offset `at`, which must end where the record does.
static bool read_target(const struct reader *r, const struct rr *rr, size_t at, char out[NAME_TEXT]) {
    struct reader inner = {r->packet, rr->end, at};
    return at <= rr->end && read_name(&inner, out) && inner.at == rr->end;
}

static void set_integer(lua_State *L, const char *key, lua_Integer value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

static void set_string(lua_State *L, const char *key, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

// inet_ntop writes these by sprintf, which would be a tenth of a look-up's cost.
static void write_inet(const uint8_t *bytes, char *out) {
    for (int i = 0; i < 4; i++) {
        if (bytes[i] >= 100) *out++ = (char)('0' + bytes[i] / 100);
        if (bytes[i] >= 10) *out++ = (char)('0' + bytes[i] / 10 % 10);
        *out++ = (char)('0' + bytes[i] % 10);
        *out++ = i < 3 ? '.' : '\0';
    }
}

// These add to the record on top of the stack, and say whether it is well-formed.
static bool add_address(lua_State *L, const struct reader *r, const struct rr *rr) {
    bool is_inet = rr->type == ns_t_a;
    char text[INET6_ADDRSTRLEN];
    if (rr->end - rr->data != (is_inet ? 4 : 16)) return false;
    if (is_inet)
        write_inet(r->packet + rr->data, text);
    else
        inet_ntop(AF_INET6, r->packet + rr->data, text, sizeof text);
    set_string(L, "address", text);
    set_string(L, "family", is_inet ? "inet" : "inet6");
    return true;
}

static bool add_text(lua_State *L, const struct reader *r, const struct rr *rr) {
    luaL_Buffer text;
    size_t at = rr->data;
    luaL_buffinit(L, &text);
    for (size_t next; at < rr->end && (next = at + 1 + r->packet[at]) <= rr->end; at = next)
        luaL_addlstring(&text, (const char *)r->packet + at + 1, r->packet[at]);
    luaL_pushresult(&text);
    lua_setfield(L, -2, "text");
    return at == rr->end;
}

static bool add_target(lua_State *L, const struct reader *r, const struct rr *rr) {
    char target[NAME_TEXT];
    size_t fixed = rr->type == ns_t_srv ? 6 : rr->type == ns_t_mx ? 2 : 0;
    const uint8_t *data = r->packet + rr->data;
    if (!read_target(r, rr, rr->data + fixed, target)) return false;
    set_string(L, "target", *target ? target : "."); // the root; of SRV: decidedly no such service (RFC 2782)
    if (fixed) set_integer(L, "priority", read_16(data));
    if (fixed == 6) {
        set_integer(L, "weight", read_16(data + 2));
        set_integer(L, "port", read_16(data + 4));
    }
    return true;
}

static bool add_record(lua_State *L, const struct reader *r, const struct rr *rr, uint32_t ttl) {
    lua_createtable(L, 0, rr->type == ns_t_srv ? 5 : 3);
    set_integer(L, "ttl", rr->ttl < ttl ? rr->ttl : ttl);
    if (rr->type == ns_t_a || rr->type == ns_t_aaaa) return add_address(L, r, rr);
    return rr->type == ns_t_txt ? add_text(L, r, rr) : add_target(L, r, rr);
}

// One pass over the answers at `r->at`, into the list on top of the stack. Follows each CNAME it meets.
static int scan(lua_State *L, struct reader r, int answers, struct question *q) {
    struct rr rr;
    for (int count = 0; answers > 0; answers--) {
        if (!read_rr(&r, &rr, q)) return ARES_EBADRESP;
        if (rr.class != ns_c_in || !rr.is_wanted) continue;
        if (rr.type == q->type) {
            if (!add_record(L, &r, &rr, q->ttl)) return ARES_EBADRESP;
            lua_rawseti(L, -2, ++count);
        } else if (rr.type == ns_t_cname) {
            if (!read_target(&r, &rr, rr.data, q->name)) return ARES_EBADRESP;
            q->at = rr.data;
            if (rr.ttl < q->ttl) q->ttl = rr.ttl;
            if (++q->hops > MAX_HOPS) return PE_ANSWER_LOOP;
        }
    }
    return lua_objlen(L, -1) ? ARES_SUCCESS : ARES_ENODATA;
}

int pe_answer_push(lua_State *L, const uint8_t *packet, size_t length) {
    struct reader r = {packet, length, HEADER_SIZE};
    struct question q = {.at = HEADER_SIZE, .ttl = INT32_MAX};
    int status, hops, count, top = lua_gettop(L);
    if (length < HEADER_SIZE || read_16(packet + 4) != 1) return ARES_EBADRESP;
    if (!read_name(&r, q.name) || (r.at += 4) > length) return ARES_EBADRESP;
    q.type = read_16(packet + r.at - 4);
    count = read_16(packet + 6);
    do { // only a pass without a CNAME counts: records may stand before the CNAME that leads to them
        hops = q.hops;
        lua_settop(L, top);
        lua_createtable(L, count < MAX_ROOM ? count : MAX_ROOM, 0);
        status = scan(L, r, count, &q);
    } while (q.hops > hops && (status == ARES_SUCCESS || status == ARES_ENODATA));
    if (status) lua_settop(L, top);
    return status;
}
