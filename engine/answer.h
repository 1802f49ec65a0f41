// SPDX-License-Identifier: MIT
/// Reads DNS answers: those records of one type that answer the question, CNAMEs followed inside the answer.
/// Safe with any bytes: every read is bounded, and names cannot make it loop.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Besides the ARES_* codes: CNAMEs lead in a circle, or there are more than 16.
enum { PE_ANSWER_LOOP = 1000 };

struct pe_record {
    uint16_t type;
    uint16_t priority, weight, port; // SRV; priority also MX
    uint32_t ttl;                    // seconds; the least of the record and the CNAMEs before it
    uint8_t address[16];             // A: the first 4 bytes, AAAA
    uint32_t text, length;           // the others: target, or TXT's joined parts, at `texts + text`
};

/// All zero: empty.
struct pe_records {
    struct pe_record *items;
    size_t count, capacity;
    char *texts;
    size_t used, room;
};

/// The number of a type by its name (A AAAA SRV TXT PTR CNAME MX NS); 0 if it is none of them. And back.
int pe_answer_type(const char *name);
const char *pe_answer_type_name(int type);

/// Adds the records of `type` (class IN) that `name` has (text as asked, without a trailing dot) to the empty
/// `records`. Returns ARES_SUCCESS (at least one), ARES_ENODATA, ARES_EBADRESP (malformed), ARES_ENOMEM or
/// PE_ANSWER_LOOP; unless it succeeds, `records` is empty.
int pe_answer_read(const uint8_t *packet, size_t length, const char *name, int type, struct pe_records *records);

/// Adds a zeroed record with room for `room` bytes of text, and appends some to it. Returns NULL without memory.
struct pe_record *pe_answer_add(struct pe_records *records, size_t room);
void pe_answer_append(struct pe_records *records, const void *text, size_t length);

/// Releases what `records` points to and empties it.
void pe_answer_clear(struct pe_records *records);
