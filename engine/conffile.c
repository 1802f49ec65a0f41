// SPDX-License-Identifier: MIT
// Reads a small system file when its device, inode, size or times say that it is another.
#include "conffile.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { MAX_SIZE = 64 * 1024 * 1024 };

int pe_conffile_set(struct pe_conffile *file, const char *path) {
    char *copy = strdup(path);
    if (!copy) return UV_ENOMEM;
    free(file->path);
    *file = (struct pe_conffile){.path = copy};
    file->seen.st_nlink = (nlink_t)-1; // unlike any file, and unlike a missing one
    return 0;
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_nlink == b->st_nlink &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static size_t read_all(int fd, char *text, size_t size) {
    size_t length = 0;
    while (length < size) {
        ssize_t count = read(fd, text + length, size - length);
        if (count <= 0) break;
        length += (size_t)count;
    }
    return length;
}

int pe_conffile_read(struct pe_conffile *file, char **text, size_t *length) {
    struct stat now = {0};
    if (stat(file->path, &now)) memset(&now, 0, sizeof now);
    if (is_same(&now, &file->seen)) return 0;
    int fd = now.st_ino ? open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    if (fd >= 0 && fstat(fd, &now)) memset(&now, 0, sizeof now);
    bool is_usable = fd >= 0 && S_ISREG(now.st_mode) && now.st_size <= MAX_SIZE;
    *text = malloc((is_usable ? (size_t)now.st_size : 0) + 1);
    if (*text) {
        *length = is_usable ? read_all(fd, *text, (size_t)now.st_size) : 0;
        (*text)[*length] = 0;
        file->seen = now;
    }
    if (fd >= 0) close(fd);
    return *text ? 1 : UV_ENOMEM;
}
