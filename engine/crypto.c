// SPDX-License-Identifier: MIT
// Digests, randomness and comparison in constant time, over nettle. Strings hold any bytes; nothing here waits.
#include "modules.h"
#include "vm.h"
#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha2.h>
#include <uv.h>

enum { MAX_RANDOM = 65536 };

static const uint8_t *check(lua_State *L, int index, size_t *length) {
    return (const uint8_t *)luaL_checklstring(L, index, length);
}

static int push(lua_State *L, const uint8_t *bytes, size_t length) {
    lua_pushlstring(L, (const char *)bytes, length);
    return 1;
}

static int digest(lua_State *L, const struct nettle_hash *hash) {
    size_t length;
    const uint8_t *data = check(L, 1, &length);
    union {
        struct md5_ctx md5;
        struct sha256_ctx sha256;
    } context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    hash->init(&context);
    hash->update(&context, length, data);
    hash->digest(&context, hash->digest_size, digest);
    return push(L, digest, hash->digest_size);
}

static int l_md5(lua_State *L) {
    return digest(L, &nettle_md5);
}

static int l_sha256(lua_State *L) {
    return digest(L, &nettle_sha256);
}

static int l_hmac_sha256(lua_State *L) {
    size_t key_length, length;
    const uint8_t *key = check(L, 1, &key_length), *data = check(L, 2, &length);
    struct hmac_sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    hmac_sha256_set_key(&context, key_length, key);
    hmac_sha256_update(&context, length, data);
    hmac_sha256_digest(&context, sizeof digest, digest);
    return push(L, digest, sizeof digest);
}

static int l_random(lua_State *L) {
    uint8_t bytes[MAX_RANDOM];
    lua_Number count = luaL_checknumber(L, 1);
    luaL_argcheck(L, count >= 0 && count <= MAX_RANDOM && count == (size_t)count, 1,
                  "expected a whole number of bytes from 0 to 65536");
    int status = uv_random(NULL, NULL, bytes, (size_t)count, 0, NULL);
    if (status) luaL_error(L, "the system gives no random bytes: %s", uv_strerror(status));
    return push(L, bytes, (size_t)count);
}

static int l_equal(lua_State *L) {
    size_t length, other_length;
    const uint8_t *data = check(L, 1, &length), *other = check(L, 2, &other_length);
    lua_pushboolean(L, length == other_length && memeql_sec(data, other, length));
    return 1;
}

static const luaL_Reg functions[] = {{"md5", l_md5},       {"sha256", l_sha256}, {"hmac_sha256", l_hmac_sha256},
                                     {"random", l_random}, {"equal", l_equal},   {NULL, NULL}};

int luaopen_engine_crypto(lua_State *L) {
    return pe_vm_module(L, functions, NULL);
}
