-- SPDX-License-Identifier: MIT
---@meta engine.http
--- HTTP as a client: HTTP/1.1, HTTP/2 over TLS where the server has it, Unix sockets. A connection is used again for a
--- minute, by one request at a time. Names are looked up by engine.dns. Proxies are those of http_proxy, https_proxy,
--- all_proxy and no_proxy in the environment, as curl reads them: http, https, socks4, socks4a, socks5 and socks5h, port
--- 1080 where none is given (443 of https). HTTP_PROXY does not count. One that cannot be read is "EINVAL". libcurl is
--- loaded with the first request or check.

---@class engine.http
local M = {}

---@class engine.http.Options
---@field url string "http://host:port/path" or https; user info in it is sent as basic authentication. It is printable ASCII:
---  write other bytes percent-encoded, but those of a host's name as punycode ("xn--…"). No message shows user info or what
---  follows "?"
---@field method? string in capitals; default "GET". Whatever it is: when a connection that was kept ends before anything of
---  an answer came, it is asked again, once, by another one
---@field headers? table<string, string|number> by name, each once; blanks around a value are not sent. Content-Length and
---  Transfer-Encoding are written by themselves; Authorization does not go with `bearer_file` or user info in the
---  URL, nor If-None-Match with `if_none_match`
---@field body? string sent without a Content-Type, unless `headers` has one; not with HEAD
---@field timeout? number seconds for everything, redirects and names included: to the end of a request's answer, or to the
---  end of a stream's head. Default 10; at most nine tenths of what the scope has left
---@field connect_timeout? number seconds until there is a connection, TLS included. Default 5
---@field ca? string certificates to trust instead of the system's, as PEM text
---@field ca_file? string the same, a file; a change of it counts after two minutes at the latest
---@field client_cert? string file with the certificate to show, PEM; with its key, unless `client_key` is given
---@field client_key? string file with its key, PEM
---@field verify? boolean false: any certificate will do, which is said in the log, once for each server. Default true
---@field unix_socket? string path of a Unix socket to ask; the URL's host is then only a name
---@field bearer_file? string file with a token, sent as "Authorization: Bearer …"; read anew for each request
---@field if_none_match? string an ETag; answered by the status 304 if that is still what there is
---@field follow? integer|boolean redirects to follow at most: 0 to 20, default 5; false: none, they are the answer. To http
---  and https only, and not from https to http. Another origin (scheme, host, port) is told only the headers Accept,
---  Accept-Language, Content-Type, If-None-Match and User-Agent, and is shown neither user info nor a client certificate. A
---  body goes on with 307 and 308 (and 301 and 302, but for POST), and never to another origin: that is "EPROTO", though
---  curl would send it

---@class engine.http.RequestOptions: engine.http.Options
---@field max_body? integer bytes of the answer at most, as it comes and decompressed; default 8 MB

---@class engine.http.StreamOptions: engine.http.Options
---@field idle_timeout? number seconds of silence after which it ends; default 300
---@field max_line? integer bytes of a line at most; default 8 MB

---@class engine.http.Answer
---@field status integer 200, 404…
---@field headers table<string, string> by lower-case name. Several of one name have ", " between them; those of "set-cookie",
---  which may hold commas, line breaks
---@field body string decompressed: gzip and deflate are asked for, unless `headers` has an Accept-Encoding or the method is
---  HEAD, and taken in any case
---@field label string where it came from in the end, for messages: its URL without user info, and with "?…" for a query

--- Asks, and waits for the whole answer. Any status is an answer. Raises for unknown options and wrong types.
---@param options engine.http.RequestOptions
---@return engine.http.Answer|nil answer
---@return string? message "GET http://10.0.0.1/nodes: connection refused"
---@return string? code
---  "EINVAL" a bad URL, header or proxy, or what `bearer_file` holds is no token; nothing was asked
---  "ENOTFOUND", "ENODATA", "ESERVFAIL"… of the name, as in engine.dns
---  "ECONNREFUSED", "EHOSTUNREACH", "ENOENT" (of a Unix socket)… there is no connection
---  "ETIMEDOUT" the message says how far it came
---  "ECONNRESET" the connection was closed before the answer was complete
---  "ECERT" a certificate that is not trusted, has expired or is another's; the server wants or refuses ours; a CA,
---    client certificate or key that cannot be read, or do not belong together
---  "EPROTO" an answer that is not HTTP; one that is packed with something else, cut short or damaged; a redirect that is not
---    followed, a failed TLS handshake
---  "ELOOP" too many redirects
---  "EMSGSIZE" the answer is larger than `max_body`, or its head than 64 kB
---  "ENOENT", "EACCES"… of `bearer_file`
---  "EMFILE", "ENFILE" there are no descriptors left; "ENOMEM" there is no memory left
---  "ENOTSUP" libcurl is not installed
---  "ECANCELED" the scope is closed
function M.request(options) end

--- Whether these options could be asked with, as far as can be known without asking anybody: what `check` of a provider is to
--- say. Files need not be there. Raises for unknown options and wrong types.
---@param options engine.http.RequestOptions|engine.http.StreamOptions
---@return true|nil ok
---@return string? message as of `request`, and what that would raise for a bad value
---@return string? code "EINVAL"; "ENOTSUP" libcurl is not installed
function M.check(options) end

--- Asks, and waits for the head of the answer; its body is read as it comes, and not decompressed: it is asked for as it
--- is. Raises for unknown options and wrong types.
---@param options engine.http.StreamOptions
---@return engine.http.Response|nil response
---@return string? message
---@return string? code as of `request`
function M.stream(options) end

--- An answer that goes on. It belongs to the scope of the task that asked, and ends when nobody has it any more. While
--- nobody reads, 256 kB are kept, and then the server waits.
---@class engine.http.Response
---@field status integer
---@field headers table<string, string> as of an answer
---@field label string as of an answer
local Response = {}

--- Iterates over the body in pieces as they come. What was read and not given by one iterator is given by the next, of
--- either kind.
---@return fun(): string|nil next waits
function Response:chunks() end

--- Iterates over its lines, without "\n" or "\r\n"; the last one may lack it.
---@return fun(): string|nil next waits
function Response:lines() end

--- Why the iteration ended.
---@return true|nil ok the answer is complete, and was read to its end; nil alone: it goes on
---@return string? message
---@return string? code "ETIMEDOUT" after `idle_timeout`, "EMSGSIZE" after a line that is too long, "ECONNRESET", "EPROTO",
---  "ECANCELED" once closed
function Response:result() end

--- Closes it. Who reads gets nothing more. May be called again.
function Response:close() end

return M
