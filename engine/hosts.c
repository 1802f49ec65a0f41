// SPDX-License-Identifier: MIT
// The hosts table: the file's text cut into words in place, and a hash of its names; beside it what needs no table.
// Invariant: an entry's name points into `text`, and both are replaced together.
#include "hosts.h"
#include "conffile.h"
#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NONE = UINT32_MAX };

struct host {
    const char *name; // as written
    int family;
    uint8_t address[sizeof(struct in6_addr)];
    uint32_t next; // entry with the same hash
};

struct table {
    char *text;
    struct host *entries;
    uint32_t *buckets;
    uint32_t count, capacity, mask;
};

struct pe_hosts {
    struct pe_conffile file;
    struct table table;
};

struct pe_hosts *pe_hosts_new(const char *path) {
    struct pe_hosts *hosts = calloc(1, sizeof *hosts);
    if (hosts && pe_conffile_set(&hosts->file, path)) {
        free(hosts);
        return NULL;
    }
    return hosts;
}

static void table_free(struct table *table) {
    free(table->text);
    free(table->entries);
    free(table->buckets);
}

void pe_hosts_free(struct pe_hosts *hosts) {
    if (!hosts) return;
    table_free(&hosts->table);
    free(hosts->file.path);
    free(hosts);
}

static uint32_t hash(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name;
        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 16777619u;
    }
    return h ^ h >> 15;
}

static bool add(struct table *table, const struct host *host) {
    if (table->count == table->capacity) {
        uint32_t capacity = table->capacity ? table->capacity * 2 : 16;
        struct host *entries = realloc(table->entries, capacity * sizeof *entries);
        if (!entries) return false;
        table->entries = entries;
        table->capacity = capacity;
    }
    table->entries[table->count++] = *host;
    return true;
}

static bool read_address(char *word, struct host *host) {
    char *scope = strchr(word, '%');
    if (scope) *scope = 0;
    host->family = strchr(word, ':') ? AF_INET6 : AF_INET;
    return inet_pton(host->family, word, host->address) == 1;
}

static bool parse_line(struct table *table, char *line) {
    static const char blank[] = " \t\r\v\f";
    struct host host = {0};
    char *rest = NULL;
    line[strcspn(line, "#")] = 0;
    char *word = strtok_r(line, blank, &rest);
    if (!word || !read_address(word, &host)) return true;
    while ((word = strtok_r(NULL, blank, &rest))) {
        size_t length = strlen(word);
        if (length > 1 && word[length - 1] == '.') word[length - 1] = 0;
        host.name = word;
        if (!add(table, &host)) return false;
    }
    return true;
}

static bool parse(struct table *table, size_t length) {
    for (char *line = table->text, *end = line + length, *next; line < end; line = next) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        next = newline ? newline + 1 : end;
        if (newline) *newline = 0;
        if (!parse_line(table, line)) return false;
    }
    return true;
}

static bool index_names(struct table *table) {
    uint32_t size = 16;
    while (size < table->count) size *= 2;
    table->buckets = malloc(size * sizeof *table->buckets);
    if (!table->buckets) return false;
    memset(table->buckets, 0xff, size * sizeof *table->buckets);
    table->mask = size - 1;
    for (uint32_t i = table->count; i-- > 0;) { // backwards, so that each chain has the file's order
        uint32_t *bucket = &table->buckets[hash(table->entries[i].name) & table->mask];
        table->entries[i].next = *bucket;
        *bucket = i;
    }
    return true;
}

void pe_hosts_refresh(struct pe_hosts *hosts) {
    struct table table = {0};
    size_t length = 0;
    if (pe_conffile_read(&hosts->file, &table.text, &length) <= 0) return;
    if (parse(&table, length) && index_names(&table)) {
        struct table old = hosts->table;
        hosts->table = table;
        table = old;
    }
    table_free(&table);
}

static int add_record(struct pe_records *records, int family, const uint8_t *address, const char *zone) {
    struct pe_record *record = pe_answer_add(records, strlen(zone));
    if (!record) return ARES_ENOMEM;
    record->type = family == AF_INET ? ns_t_a : ns_t_aaaa;
    memcpy(record->address, address, family == AF_INET ? 4 : 16);
    pe_answer_append(records, zone, strlen(zone));
    return ARES_SUCCESS;
}

static int answer_literal(const char *name, int family, struct pe_records *records) {
    struct host literal;
    char word[64];
    size_t length = strlen(name);
    const char *zone = strchr(name, '%');
    if (length >= sizeof word) return ARES_ENOTFOUND;
    memcpy(word, name, length + 1);
    if (!read_address(word, &literal)) return ARES_ENOTFOUND;
    if (family != AF_UNSPEC && family != literal.family) return ARES_ENODATA;
    return add_record(records, literal.family, literal.address, zone ? zone + 1 : "");
}

static int answer_from_table(const struct table *table, const char *name, int family, struct pe_records *records) {
    if (!table->count) return ARES_ENOTFOUND;
    for (uint32_t i = table->buckets[hash(name) & table->mask]; i != NONE; i = table->entries[i].next) {
        const struct host *host = &table->entries[i];
        if (strcasecmp(host->name, name) || (family != AF_UNSPEC && family != host->family)) continue;
        if (add_record(records, host->family, host->address, "")) return ARES_ENOMEM;
    }
    return records->count ? ARES_SUCCESS : ARES_ENOTFOUND;
}

// RFC 6761 section 6.3.
static int answer_localhost(const char *name, int family, struct pe_records *records) {
    static const char localhost[] = ".localhost";
    size_t length = strlen(name), suffix = sizeof localhost - 1;
    if (strcasecmp(name, localhost + 1) && (length < suffix || strcasecmp(name + length - suffix, localhost)))
        return ARES_ENOTFOUND;
    int status = family == AF_INET6 ? ARES_SUCCESS : add_record(records, AF_INET, (uint8_t[]){127, 0, 0, 1}, "");
    if (status || family == AF_INET) return status;
    return add_record(records, AF_INET6, in6addr_loopback.s6_addr, "");
}

int pe_hosts_answer(const struct pe_hosts *hosts, const char *name, int family, struct pe_records *records) {
    int status = answer_literal(name, family, records);
    if (status == ARES_ENOTFOUND) status = answer_from_table(&hosts->table, name, family, records);
    if (status == ARES_ENOTFOUND) status = answer_localhost(name, family, records);
    if (status) pe_answer_clear(records);
    return status;
}
