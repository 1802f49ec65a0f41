// SPDX-License-Identifier: MIT
// Files and folders in plain system calls. Invariant: a file is checked once it is open, and appears whole or not at
// all.
#include "file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { WANTED = STATX_BASIC_STATS | STATX_BTIME };

static int run_stat(struct pe_file *file) {
    return statx(AT_FDCWD, file->path, 0, WANTED, &file->found) ? -errno : 0;
}

static int run_lstat(struct pe_file *file) {
    return statx(AT_FDCWD, file->path, AT_SYMLINK_NOFOLLOW, WANTED, &file->found) ? -errno : 0;
}

static int run_realpath(struct pe_file *file) {
    if (!(file->text = realpath(file->path, NULL))) return -errno;
    file->length = strlen(file->text);
    return 0;
}

static int run_readlink(struct pe_file *file) {
    if (!(file->text = malloc(PATH_MAX))) return -ENOMEM;
    ssize_t length = readlink(file->path, file->text, PATH_MAX);
    if (length < 0) return -errno;
    file->length = (size_t)length;
    return 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_list(struct pe_file *file) {
    struct dirent **entries;
    int count = scandir(file->path, &entries, NULL, by_bytes);
    if (count < 0) return -errno;
    FILE *names = open_memstream(&file->text, &file->length);
    for (int i = 0; i < count; free(entries[i++]))
        if (names) fwrite(entries[i]->d_name, strlen(entries[i]->d_name) + 1, 1, names);
    free(entries);
    return names && !fclose(names) ? 0 : -ENOMEM;
}

// Reads to the end, whatever size the file had when it was opened: it may grow, and one in /proc says 0.
static int read_to_end(struct pe_file *file, int fd) {
    size_t room = (size_t)file->found.stx_size + 1;
    for (ssize_t count = 1; count; file->length += (size_t)count) {
        if (file->length > file->size) return -EFBIG;
        if (file->length == room) room *= 2;
        if (room > file->size + 1) room = file->size + 1;
        char *larger = realloc(file->text, room);
        if (!larger) return -ENOMEM;
        file->text = larger;
        do count = read(fd, file->text + file->length, room - file->length);
        while (count < 0 && errno == EINTR);
        if (count < 0) return -errno;
    }
    return 0;
}

static int run_read(struct pe_file *file) {
    int status, fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return errno == ENXIO ? (file->found.stx_mode = S_IFSOCK, -EINVAL) : -errno;
    mode_t mode = statx(fd, "", AT_EMPTY_PATH, WANTED, &file->found) ? 0 : file->found.stx_mode;
    if (!S_ISREG(mode))
        status = S_ISDIR(mode) ? -EISDIR : -EINVAL;
    else if (mode & file->mode)
        status = -EACCES;
    else
        status = (size_t)file->found.stx_size > file->size ? -EFBIG : read_to_end(file, fd);
    close(fd);
    return status;
}

static int write_new(const struct pe_file *file, const char *path) {
    int status = 0, fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, file->mode);
    if (fd < 0) return -errno;
    for (size_t done = 0; done < file->size && !status;) {
        ssize_t count = write(fd, file->data + done, file->size - done);
        if (count > 0) done += (size_t)count;
        if (count < 0 && errno != EINTR) status = -errno;
    }
    if (!status && fsync(fd)) status = -errno;
    if (close(fd) && !status) status = -errno;
    if (status) unlink(path);
    return status;
}

// A new name is only as durable as its folder; some file systems, and folders that we cannot read, do not offer that.
static int sync_folder(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return 0;
    int status = fsync(fd) && errno != EINVAL && errno != EROFS ? -errno : 0;
    close(fd);
    return status;
}

static int put(const struct pe_file *file, const char *path, bool is_new) {
    char temporary[PATH_MAX + 40];
    const char *slash = strrchr(path, '/');
    int status, folder = slash ? (int)(slash - path) + 1 : 1;
    uint64_t random;
    if (strlen(path) >= PATH_MAX) return -ENAMETOOLONG;
    if (getrandom(&random, sizeof random, 0) != sizeof random) return -EIO;
    snprintf(temporary, sizeof temporary, "%.*s/.peerage-%016llx.tmp", folder, slash ? path : ".",
             (unsigned long long)random);
    if ((status = write_new(file, temporary))) return status;
    if (is_new ? link(temporary, path) : rename(temporary, path)) status = -errno;
    if (status || is_new) unlink(temporary);
    temporary[folder] = '\0';
    return status ? status : sync_folder(temporary);
}

static int run_create(struct pe_file *file) {
    return put(file, file->path, true);
}

static int run_replace(struct pe_file *file) {
    if (run_lstat(file)) return errno == ENOENT ? put(file, file->path, false) : -errno;
    char *target = realpath(file->path, NULL);
    if (!target) return -errno;
    int status = statx(AT_FDCWD, target, 0, WANTED, &file->found) ? -errno : 0;
    if (!status && !S_ISREG(file->found.stx_mode)) status = S_ISDIR(file->found.stx_mode) ? -EISDIR : -EINVAL;
    if (!status) status = put(file, target, false);
    free(target);
    return status;
}

const struct pe_file_verb pe_file_verbs[] = {
    {"stat", run_stat},         {"lstat", run_lstat},     {"realpath", run_realpath},
    {"readlink", run_readlink}, {"list", run_list},       {"read", run_read},
    {"create", run_create},     {"replace", run_replace}, {NULL, NULL}};
