// SPDX-License-Identifier: MIT
// One run of inflate(), over a text that grows. Invariant: nothing raises between its beginning and its end.
#define ZLIB_CONST
#include "unpack.h"
#include "../account.h"
#include "../vm.h"
#include <curl/curl.h>
#include <stdlib.h>
#include <zlib.h>

static const char unpacking_name[] = "http unpacking";

enum { WRAPPED = MAX_WBITS, RAW = -MAX_WBITS, GZIP = MAX_WBITS + 16 }; // inflateInit2's words for the formats

struct unpacking {
    z_stream stream;
    Bytef *text;
    size_t room, limit;
    const char *reason;
};

static void release(void *pointer) {
    struct unpacking *unpacking = pointer;
    inflateEnd(&unpacking->stream);
    pe_account_allocate(NULL, unpacking->text, unpacking->room, 0);
    free(unpacking);
}

// With a byte that must stay free.
static bool grow(struct unpacking *unpacking) {
    size_t old = unpacking->room, most = unpacking->limit + 1, room = old ? 2 * old : 4096;
    if (room > most) room = most;
    Bytef *grown = pe_account_allocate(NULL, unpacking->text, old, room);
    if (!grown) return false;
    unpacking->text = grown;
    unpacking->room = room;
    unpacking->stream.next_out = grown + old;
    unpacking->stream.avail_out = (uInt)(room - old);
    return true;
}

static CURLcode refuse(struct unpacking *unpacking, const char *reason) {
    unpacking->reason = reason;
    return CURLE_BAD_CONTENT_ENCODING;
}

static CURLcode unpack_member(struct unpacking *unpacking) {
    z_stream *stream = &unpacking->stream;
    int status = Z_OK;
    while (status == Z_OK) {
        if (!stream->avail_out && !grow(unpacking)) return CURLE_OUT_OF_MEMORY;
        status = inflate(stream, Z_NO_FLUSH);
        if (!stream->avail_out && unpacking->room > unpacking->limit) return CURLE_FILESIZE_EXCEEDED;
    }
    if (status == Z_STREAM_END) return CURLE_OK;
    if (status == Z_MEM_ERROR) return CURLE_OUT_OF_MEMORY;
    if (status == Z_BUF_ERROR) return refuse(unpacking, "it is cut short");
    return refuse(unpacking, stream->msg ? stream->msg : zError(status));
}

static bool begins_member(const Bytef *bytes, size_t count) {
    return bytes[0] == 0x1f && (count == 1 || bytes[1] == 0x8b);
}

static CURLcode unpack(struct unpacking *unpacking, int format) {
    z_stream *stream = &unpacking->stream;
    if (inflateInit2(stream, format) != Z_OK) return CURLE_OUT_OF_MEMORY;
    CURLcode result = unpack_member(unpacking);
    while (!result && stream->avail_in) {
        if (format != GZIP || !begins_member(stream->next_in, stream->avail_in))
            return refuse(unpacking, "there are bytes after its end");
        inflateReset(stream);
        result = unpack_member(unpacking);
    }
    return result;
}

// RFC 1950 section 2.2. Raw, such a first byte would be a stored block's that is padded with a one.
static int format_of(const Bytef *bytes, size_t count) {
    bool is_wrapped =
        count > 0 && (bytes[0] & 15) == Z_DEFLATED && (count == 1 || (bytes[0] * 256 + bytes[1]) % 31 == 0);
    return is_wrapped ? WRAPPED : RAW;
}

int pe_unpack_l_unpack(lua_State *L) {
    size_t count;
    const Bytef *bytes = (const Bytef *)luaL_checklstring(L, 1, &count);
    double limit = luaL_checknumber(L, 2);
    int format = lua_toboolean(L, 3) ? GZIP : format_of(bytes, count);
    struct unpacking **box = pe_vm_object(L, unpacking_name, sizeof *box), *unpacking = calloc(1, sizeof *unpacking);
    if (!(*box = unpacking)) luaL_error(L, "not enough memory");
    unpacking->limit = (size_t)limit;
    unpacking->stream.next_in = bytes;
    unpacking->stream.avail_in = (uInt)count;
    CURLcode result = unpack(unpacking, format);
    if (result) {
        lua_pushnil(L);
        lua_pushinteger(L, result);
        lua_pushstring(L, unpacking->reason ? unpacking->reason : curl_easy_strerror(result));
    } else {
        lua_pushlstring(L, (const char *)unpacking->text, unpacking->room - unpacking->stream.avail_out);
    }
    *box = NULL;
    release(unpacking);
    return result ? 3 : 1;
}

void pe_unpack_register(lua_State *L) {
    pe_vm_class(L, unpacking_name, release, NULL);
}
