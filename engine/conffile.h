// SPDX-License-Identifier: MIT
/// A system file that is read again when it has changed.
#pragma once

#include <stddef.h>
#include <sys/stat.h>

struct pe_conffile {
    char *path;       // owned
    struct stat seen; // as it was when last read; all zero: missing, or not read yet
};

/// Has `file` mean `path` (copied), not read yet. Returns 0 or UV_ENOMEM; then it is as before.
int pe_conffile_set(struct pe_conffile *file, const char *path);

/// Reads the whole file if it has changed since the last call: `*text` is then the caller's to free, ends with a zero
/// byte and has `*length` bytes before it. A file that is missing, no regular file, or over 64 MB reads as empty.
/// Returns 1 when it was read, 0 when it has not changed, or UV_ENOMEM.
int pe_conffile_read(struct pe_conffile *file, char **text, size_t *length);
