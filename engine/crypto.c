// SPDX-License-Identifier: MIT
// Digests, randomness and comparison in constant time, over nettle. Strings hold any bytes; nothing here waits.
#include <lauxlib.h>
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <uv.h>

enum { MAX_RANDOM = 65536 };

struct text {
    size_t length;
    const uint8_t *bytes;
};

static struct text check(lua_State *L, int index) {
    struct text text;
    text.bytes = (const uint8_t *)luaL_checklstring(L, index, &text.length);
    return text;
}

static int push(lua_State *L, const uint8_t *digest, size_t length) {
    lua_pushlstring(L, (const char *)digest, length);
    return 1;
}

static int l_md5(lua_State *L) {
    struct text data = check(L, 1);
    struct md5_ctx context;
    uint8_t digest[MD5_DIGEST_SIZE];
    md5_init(&context);
    md5_update(&context, data.length, data.bytes);
    md5_digest(&context, sizeof digest, digest);
    return push(L, digest, sizeof digest);
}

static int l_sha256(lua_State *L) {
    struct text data = check(L, 1);
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, data.length, data.bytes);
    sha256_digest(&context, sizeof digest, digest);
    return push(L, digest, sizeof digest);
}

static int l_hmac_sha256(lua_State *L) {
    struct text key = check(L, 1), data = check(L, 2);
    struct hmac_sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    hmac_sha256_set_key(&context, key.length, key.bytes);
    hmac_sha256_update(&context, data.length, data.bytes);
    hmac_sha256_digest(&context, sizeof digest, digest);
    return push(L, digest, sizeof digest);
}

static int l_random(lua_State *L) {
    lua_Number count = luaL_checknumber(L, 1);
    luaL_argcheck(L, count >= 0 && count <= MAX_RANDOM && count == (size_t)count, 1,
                  "expected a whole number of bytes from 0 to 65536");
    uint8_t *bytes = lua_newuserdata(L, (size_t)count + 1);
    int status = uv_random(NULL, NULL, bytes, (size_t)count, 0, NULL);
    if (status) luaL_error(L, "the system gives no random bytes: %s", uv_strerror(status));
    return push(L, bytes, (size_t)count);
}

static int l_equal(lua_State *L) {
    struct text a = check(L, 1), b = check(L, 2);
    lua_pushboolean(L, a.length == b.length && memeql_sec(a.bytes, b.bytes, a.length));
    return 1;
}

static int l_hex(lua_State *L) {
    struct text data = check(L, 1);
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (size_t i = 0; i < data.length; i++) {
        luaL_addchar(&buffer, "0123456789abcdef"[data.bytes[i] >> 4]);
        luaL_addchar(&buffer, "0123456789abcdef"[data.bytes[i] & 15]);
    }
    luaL_pushresult(&buffer);
    return 1;
}

static const luaL_Reg functions[] = {{"md5", l_md5},       {"sha256", l_sha256}, {"hmac_sha256", l_hmac_sha256},
                                     {"random", l_random}, {"equal", l_equal},   {"hex", l_hex},
                                     {NULL, NULL}};

int luaopen_engine_crypto(lua_State *L) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    return 1;
}
