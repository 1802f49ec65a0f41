// SPDX-License-Identifier: MIT
// Reads DNS answers (RFC 1035 section 4). c-ares 1.18 has no TTL for most types and no parser for CNAME.
// Invariant: `at` never passes `length`, and a compression pointer leads strictly backwards.
#include "answer.h"
#include <ares.h>
#include <ares_nameser.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    HEADER_SIZE = 12,
    MAX_HOPS = 16,
    MAX_JUMPS = 64,
    NAME_TEXT = 4 * 255 + 1, // each byte may be written \DDD
};

struct reader {
    const uint8_t *packet;
    size_t length, at;
};

struct rr {
    char owner[NAME_TEXT];
    int type, class;
    uint32_t ttl;
    size_t data, end; // offsets
};

struct question {
    int type;
    char name[NAME_TEXT];
    uint32_t ttl; // the least of the CNAMEs so far
};

static const struct {
    int type;
    const char *name;
} types[] = {{ns_t_a, "A"},     {ns_t_aaaa, "AAAA"},   {ns_t_srv, "SRV"}, {ns_t_txt, "TXT"},
             {ns_t_ptr, "PTR"}, {ns_t_cname, "CNAME"}, {ns_t_mx, "MX"},   {ns_t_ns, "NS"}};

int pe_answer_type(const char *name) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i].name, name)) return types[i].type;
    return 0;
}

const char *pe_answer_type_name(int type) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type) return types[i].name;
    return "?";
}

void pe_answer_clear(struct pe_records *records) {
    free(records->items);
    free(records->texts);
    *records = (struct pe_records){0};
}

// `items` with room for `need` of `size` bytes each; NULL without memory.
static void *reserve(void *items, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity) return items;
    size_t wanted = need < *capacity * 2 ? *capacity * 2 : need;
    void *grown = realloc(items, wanted * size);
    if (grown) *capacity = wanted;
    return grown;
}

struct pe_record *pe_answer_add(struct pe_records *records, size_t room) {
    struct pe_record *items = reserve(records->items, &records->capacity, records->count + 1, sizeof *items);
    if (!items) return NULL;
    records->items = items;
    char *texts = room ? reserve(records->texts, &records->room, records->used + room, 1) : records->texts;
    if (room && !texts) return NULL;
    records->texts = texts;
    struct pe_record *record = &records->items[records->count++];
    *record = (struct pe_record){.text = (uint32_t)records->used};
    return record;
}

void pe_answer_append(struct pe_records *records, const void *text, size_t length) {
    if (!length) return;
    memcpy(records->texts + records->used, text, length);
    records->used += length;
    records->items[records->count - 1].length += (uint32_t)length;
}

static int read_16(const uint8_t *at) {
    return at[0] << 8 | at[1];
}

// Writes one label, escaped as in a zone file, and returns where the text ends.
static char *write_label(char *out, const uint8_t *label, size_t length) {
    for (const uint8_t *end = label + length; label < end; label++) {
        if (*label <= ' ' || *label >= 127) {
            out += sprintf(out, "\\%03d", *label);
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

static bool read_rr(struct reader *r, struct rr *rr) {
    if (!read_name(r, rr->owner) || r->at + 10 > r->length) return false;
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

static int add_text(struct pe_records *records, const struct reader *r, const struct rr *rr) {
    if (!pe_answer_add(records, rr->end - rr->data)) return ARES_ENOMEM;
    for (size_t at = rr->data; at < rr->end; at += 1u + r->packet[at]) {
        size_t part = r->packet[at];
        if (at + 1 + part > rr->end) return ARES_EBADRESP;
        pe_answer_append(records, r->packet + at + 1, part);
    }
    return ARES_SUCCESS;
}

static int add_target(struct pe_records *records, const struct reader *r, const struct rr *rr) {
    char target[NAME_TEXT];
    size_t fixed = rr->type == ns_t_srv ? 6 : rr->type == ns_t_mx ? 2 : 0;
    if (!read_target(r, rr, rr->data + fixed, target)) return ARES_EBADRESP;
    if (!*target) strcpy(target, "."); // the root; of SRV: decidedly no such service (RFC 2782)
    struct pe_record *record = pe_answer_add(records, strlen(target));
    if (!record) return ARES_ENOMEM;
    const uint8_t *data = r->packet + rr->data;
    if (fixed) record->priority = (uint16_t)read_16(data);
    if (fixed == 6) record->weight = (uint16_t)read_16(data + 2), record->port = (uint16_t)read_16(data + 4);
    pe_answer_append(records, target, strlen(target));
    return ARES_SUCCESS;
}

static int add_address(struct pe_records *records, const struct reader *r, const struct rr *rr) {
    size_t length = rr->type == ns_t_a ? 4 : 16;
    if (rr->end - rr->data != length) return ARES_EBADRESP;
    struct pe_record *record = pe_answer_add(records, 0);
    if (!record) return ARES_ENOMEM;
    memcpy(record->address, r->packet + rr->data, length);
    return ARES_SUCCESS;
}

static int add_record(struct pe_records *records, const struct reader *r, const struct rr *rr, uint32_t ttl) {
    int status = rr->type == ns_t_a || rr->type == ns_t_aaaa ? add_address(records, r, rr)
                 : rr->type == ns_t_txt                      ? add_text(records, r, rr)
                                                             : add_target(records, r, rr);
    if (status) return status;
    struct pe_record *record = &records->items[records->count - 1];
    record->type = (uint16_t)rr->type;
    record->ttl = rr->ttl < ttl ? rr->ttl : ttl;
    return ARES_SUCCESS;
}

// One pass over the answers at `r->at`. Follows each CNAME it meets, counted in `*hops`; what was collected counts
// only in a pass without one, since records may stand before the CNAME that leads to them.
static int scan(struct reader r, int count, struct question *q, struct pe_records *records, int *hops) {
    struct rr rr;
    while (count-- > 0) {
        if (!read_rr(&r, &rr)) return ARES_EBADRESP;
        if (rr.class != ns_c_in || strcasecmp(rr.owner, q->name)) continue;
        if (rr.type == q->type) {
            int status = add_record(records, &r, &rr, q->ttl);
            if (status) return status;
        } else if (rr.type == ns_t_cname) {
            if (!read_target(&r, &rr, rr.data, q->name)) return ARES_EBADRESP;
            if (rr.ttl < q->ttl) q->ttl = rr.ttl;
            if (++*hops > MAX_HOPS) return PE_ANSWER_LOOP;
        }
    }
    return ARES_SUCCESS;
}

int pe_answer_read(const uint8_t *packet, size_t length, const char *name, int type, struct pe_records *records) {
    struct reader r = {packet, length, HEADER_SIZE};
    struct question q = {.type = type, .ttl = INT32_MAX};
    int status = ARES_EBADRESP, hops = 0, before;
    if (length < HEADER_SIZE || strlen(name) >= sizeof q.name) return status;
    strcpy(q.name, strcmp(name, ".") ? name : "");
    for (int questions = read_16(packet + 4); questions > 0; questions--) {
        char asked[NAME_TEXT];
        if (!read_name(&r, asked) || (r.at += 4) > length) return status;
    }
    do {
        records->count = records->used = 0;
        before = hops;
        status = scan(r, read_16(packet + 6), &q, records, &hops);
    } while (!status && hops > before);
    if (!status && !records->count) status = ARES_ENODATA;
    if (status) pe_answer_clear(records);
    return status;
}
