// SPDX-License-Identifier: MIT
// Parses resolv.conf as libc does: c-ares 1.18 does not know `timeout` and `attempts`.
#include "resolvconf.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blank[] = " \t\r\v\f";

static int add_server(struct pe_resolvconf *conf, const char *word, int count) {
    struct in6_addr address;
    int family = word && strchr(word, ':') ? AF_INET6 : AF_INET;
    if (!word || count == PE_RESOLVCONF_SERVERS || inet_pton(family, word, &address) != 1) return count;
    size_t used = strlen(conf->servers);
    snprintf(conf->servers + used, sizeof conf->servers - used, "%s%s", count ? "," : "", word);
    return count + 1;
}

static void set_search(struct pe_resolvconf *conf, char **rest, int max) {
    char *word;
    conf->search_count = 0; // the last line wins
    while (conf->search_count < max && (word = strtok_r(NULL, blank, rest))) {
        size_t length = strlen(word);
        if (length && word[length - 1] == '.') word[--length] = 0;
        if (length && length < sizeof *conf->search) memcpy(conf->search[conf->search_count++], word, length + 1);
    }
}

// Sets `*value` if `word` is `name:N`.
static void read_option(const char *word, const char *name, int max, int *value) {
    size_t length = strlen(name);
    if (strncmp(word, name, length) || word[length] != ':') return;
    long number = strtol(word + length + 1, NULL, 10);
    *value = number < 0 ? 0 : number > max ? max : (int)number;
}

void pe_resolvconf_parse(struct pe_resolvconf *conf, char *text) {
    int servers = 0, timeout = 0;
    char *lines = NULL, *rest = NULL;
    *conf = (struct pe_resolvconf){.ndots = 1, .tries = 2};
    for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
        char *word = strtok_r(line, blank, &rest);
        if (!word) continue;
        if (!strcmp(word, "nameserver")) servers = add_server(conf, strtok_r(NULL, blank, &rest), servers);
        if (!strcmp(word, "domain")) set_search(conf, &rest, 1);
        if (!strcmp(word, "search")) set_search(conf, &rest, PE_RESOLVCONF_SEARCHES);
        if (strcmp(word, "options")) continue;
        while ((word = strtok_r(NULL, blank, &rest))) {
            read_option(word, "ndots", 15, &conf->ndots);
            read_option(word, "timeout", 30, &timeout);
            read_option(word, "attempts", 5, &conf->tries);
        }
    }
    if (conf->tries < 1) conf->tries = 1;
    if (!servers) servers = add_server(conf, "127.0.0.1", 0);
    conf->timeout = timeout * 1000 * conf->tries * servers;
}

bool pe_resolvconf_candidate(const struct pe_resolvconf *conf, const char *name, int *index, char *asked, size_t size) {
    int searches = conf ? conf->search_count : 0, dots = 0;
    for (const char *at = name; *at; at++) dots += *at == '.';
    while (*index <= searches) {
        int i = (*index)++ - (!conf || dots >= conf->ndots);
        const char *domain = i < 0 || i == searches ? "" : conf->search[i];
        size_t length = strlen(name), rest = strlen(domain); // NOLINT(clang-analyzer-core.*): i is in range
        if (length + (rest > 0) + rest >= size) continue;
        memcpy(asked, name, length);
        if (rest) asked[length++] = '.';
        memcpy(asked + length, domain, rest + 1);
        return true;
    }
    return false;
}
