// SPDX-License-Identifier: MIT
// The least that a poll can do: each name is made, looked up in a hash table (open addressing, FNV-1a) and marked;
// those that were not are removed. `bench-poll NODES POLLS CHANGED`; fails unless it knows NODES in the end.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 48 };

struct entry {
    unsigned poll; // that named it last, counted from 1; 0: nobody is here
    uint32_t hash;
    char name[ROOM];
};

static struct entry *entries;
static size_t mask, known;

static uint32_t hash_of(const char *name, size_t length) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    return hash;
}

static int is_new(const char *name, size_t length, unsigned poll) {
    uint32_t hash = hash_of(name, length);
    size_t at = hash & mask;
    for (; entries[at].poll; at = (at + 1) & mask) {
        if (entries[at].hash != hash || strcmp(entries[at].name, name)) continue;
        int is_twice = entries[at].poll == poll;
        entries[at].poll = poll;
        return !is_twice;
    }
    entries[at].poll = poll;
    entries[at].hash = hash;
    memcpy(entries[at].name, name, length + 1);
    known++;
    return 1;
}

// Those behind it that are not where they belong move up.
static void forget(size_t hole) {
    known--;
    for (size_t at = (hole + 1) & mask; entries[at].poll; at = (at + 1) & mask) {
        size_t home = entries[at].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        entries[hole] = entries[at];
        hole = at;
    }
    entries[hole].poll = 0;
}

static void forget_unseen(unsigned poll) {
    for (size_t at = 0; at <= mask;) {
        if (entries[at].poll && entries[at].poll != poll) {
            forget(at); // another may be here now
        } else {
            at++;
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 64;
    unsigned nodes = (unsigned)atoi(argv[1]), polls = (unsigned)atoi(argv[2]), changed = (unsigned)atoi(argv[3]);
    for (mask = 1; mask < 2ul * nodes; mask *= 2)
        ;
    entries = calloc(mask--, sizeof *entries);
    if (!entries) return 1;
    for (unsigned poll = 1; poll <= polls; poll++) {
        size_t named = 0;
        for (unsigned i = 1; i <= nodes; i++) {
            char name[ROOM];
            unsigned id = (poll - 1) * changed + i;
            int length = snprintf(name, sizeof name, "app%u@10.%u.%u.%u", id, id >> 16, id >> 8 & 255, id & 255);
            named += (size_t)is_new(name, (size_t)length, poll);
        }
        if (named < known) forget_unseen(poll);
    }
    return known != nodes;
}
