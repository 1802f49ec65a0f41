// SPDX-License-Identifier: MIT
// A small table by hash, and a timer that runs only while something is counted.
#include "repeats.h"
#include "vm.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ENTRIES = 64 };

struct entry {
    uint64_t hash; // 0: free
    double since;  // monotonic seconds
    unsigned count;
    enum pe_log_level level;
    char source[64], text[256]; // as much as one line about its count needs
};

static struct entry entries[MAX_ENTRIES];
static double window = 60; // seconds
static uv_timer_t timer;   // unreferenced: it keeps no loop alive

static double now(void) {
    return (double)uv_hrtime() / 1e9;
}

static void forget(struct entry *entry) {
    char text[sizeof entry->text + 40];
    const char *plural = entry->count == 1 ? "" : "s";
    snprintf(text, sizeof text, "%s (repeated %u time%s)", entry->text, entry->count, plural);
    if (entry->count) pe_log_say_count(entry->level, entry->source, text);
    entry->hash = 0;
}

static void on_minute(uv_timer_t *unused) {
    (void)unused;
    pe_repeats_check();
}

static void wake_in(double seconds) {
    if (!timer.loop && uv_timer_init(pe_vm_loop(), &timer)) return;
    uv_unref((uv_handle_t *)&timer);
    uv_timer_start(&timer, on_minute, (uint64_t)(seconds * 1000) + 1, 0);
}

double pe_repeats_window(double seconds) {
    if (seconds >= 0) window = seconds;
    return window;
}

void pe_repeats_check(void) {
    double time = now(), next = HUGE_VAL;
    for (struct entry *entry = entries; entry < entries + MAX_ENTRIES; entry++) {
        double left = entry->since + window - time;
        if (entry->hash && left <= 0) forget(entry);
        if (entry->hash && entry->count && left < next) next = left;
    }
    if (next < HUGE_VAL) wake_in(next);
}

// FNV-1a, 64 bits.
static uint64_t add_to_hash(uint64_t hash, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001b3;
    return hash;
}

// Where `hash` is remembered; else a free place, or that of the oldest.
static struct entry *place_of(uint64_t hash) {
    struct entry *place = entries;
    for (struct entry *entry = entries; entry < entries + MAX_ENTRIES; entry++) {
        if (entry->hash == hash) return entry;
        if (place->hash && (!entry->hash || entry->since < place->since)) place = entry;
    }
    return place;
}

static void remember(struct entry *entry, const char *source, const char *text, size_t length) {
    const char *end = memchr(text, '\n', length);
    int first_line = (int)(end ? end - text : (ptrdiff_t)length), most = (int)sizeof entry->text - 4;
    snprintf(entry->source, sizeof entry->source, "%s", source);
    if (first_line <= most)
        snprintf(entry->text, sizeof entry->text, "%.*s", first_line, text);
    else
        snprintf(entry->text, sizeof entry->text, "%.*s...", most, text);
}

bool pe_repeats_has(enum pe_log_level level, const char *source, const char *text, size_t length, const char *fields) {
    uint64_t hash = add_to_hash(0xcbf29ce484222325 + level, source, strlen(source) + 1);
    hash = add_to_hash(hash, text, length);
    if (fields) hash = add_to_hash(hash, fields, strlen(fields) + 1);
    struct entry *entry = place_of(hash ? hash : 1);
    if (entry->hash == (hash ? hash : 1)) {
        if (entry->count++ == 0) pe_repeats_check();
        return true;
    }
    if (entry->hash) forget(entry);
    *entry = (struct entry){.hash = hash ? hash : 1, .since = now(), .level = level};
    remember(entry, source, text, length);
    return false;
}

void pe_repeats_shut_down(void) {
    for (struct entry *entry = entries; entry < entries + MAX_ENTRIES; entry++)
        if (entry->hash) forget(entry);
    if (timer.loop) uv_close((uv_handle_t *)&timer, NULL);
}
