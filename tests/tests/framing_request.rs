//! Requests whose framing leaves room for two readings: refused whole, and no server sees a byte of them.
//!
//! RFC 9112 and RFC 9110 name most of them; the rest are what other readers are known to take in different ways.

use weir_tests::{Client, Origin, Weir};

/// What is wrong, and the bytes that a client sends.
type Case = (&'static str, &'static [u8]);

/// Wrong in their head.
const HEADS: &[Case] = &[
    // Ends of lines.
    ("bare LF everywhere", b"GET /evil HTTP/1.1\nHost: a\n\n"),
    ("bare LF behind the request line", b"GET /evil HTTP/1.1\nHost: a\r\n\r\n"),
    ("bare LF behind a field", b"GET /evil HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
    ("bare LF as the empty line", b"GET /evil HTTP/1.1\r\nHost: a\r\n\n"),
    ("bare LF in a value", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("bare LF before the request", b"\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("bare CR everywhere", b"GET /evil HTTP/1.1\rHost: a\r\r"),
    ("bare CR in the request line", b"GET /evil\r HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("bare CR in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX\rY: b\r\n\r\n"),
    ("bare CR in a value", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: b\rContent-Length: 5\r\n\r\nhello"),
    ("bare CR before the colon", b"GET /evil HTTP/1.1\r\nHost: a\r\nContent-Length\r: 5\r\n\r\nhello"),
    ("doubled CR", b"GET /evil HTTP/1.1\r\r\nHost: a\r\r\n\r\r\n"),
    ("two empty lines before the request", b"\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    // Folding.
    ("a field folded with a space", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n"),
    ("a field folded with a tab", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n"),
    ("a fold before the first field", b"GET /evil HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("a folded Content-Length", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\n\r\nhello"),
    (
        "a folded Transfer-Encoding",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a line of spaces", b"GET /evil HTTP/1.1\r\nHost: a\r\n \r\n\r\n"),
    // Names of fields.
    ("a space before the colon", b"GET /evil HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"),
    ("a tab before the colon", b"GET /evil HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n"),
    ("a space behind Host", b"GET /evil HTTP/1.1\r\nHost : a\r\n\r\n"),
    ("a space behind Content-Length", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello"),
    (
        "a space behind Transfer-Encoding",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a space in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n"),
    ("an empty name", b"GET /evil HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"),
    ("no colon", b"GET /evil HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    ("NUL in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n"),
    ("a control character in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX\x01Y: b\r\n\r\n"),
    ("a vertical tab behind a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nContent-Length\x0b: 5\r\n\r\nhello"),
    ("DEL in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX\x7fY: b\r\n\r\n"),
    ("a byte above ASCII in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n"),
    ("a parenthesis in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX(Y): b\r\n\r\n"),
    ("a quote in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\n\"X\": b\r\n\r\n"),
    ("a comma in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX,Y: b\r\n\r\n"),
    ("a slash in a name", b"GET /evil HTTP/1.1\r\nHost: a\r\nX/Y: b\r\n\r\n"),
    ("a byte order mark before a name", b"GET /evil HTTP/1.1\r\n\xef\xbb\xbfHost: a\r\n\r\n"),
    // Values of fields.
    ("NUL in a value", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n"),
    ("a bell in a value", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: b\x07c\r\n\r\n"),
    ("an escape in a value", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\r\n\r\n"),
    ("a form feed in a value", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: b\x0c\r\n\r\n"),
    ("DEL in a value", b"GET /evil HTTP/1.1\r\nHost: a\r\nX: b\x7f\r\n\r\n"),
    // Content-Length.
    (
        "Content-Length twice, equal",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "Content-Length twice, different",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    ),
    (
        "Content-Length twice, the second in other case",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\ncontent-LENGTH: 5\r\n\r\nhello",
    ),
    ("Content-Length: 5, 5", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"),
    ("Content-Length: 5,6", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5,6\r\n\r\nhello"),
    ("Content-Length: 5,", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5,\r\n\r\nhello"),
    ("Content-Length: +5", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"),
    ("Content-Length: -5", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello"),
    ("Content-Length: -0", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\nhello"),
    ("Content-Length: 0x5", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"),
    ("Content-Length: 5.0", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello"),
    ("Content-Length: 1e1", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 1e1\r\n\r\nhello"),
    ("Content-Length: 5 5", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello"),
    ("Content-Length: 5_0", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5_0\r\n\r\nhello"),
    ("Content-Length: 5;", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5;\r\n\r\nhello"),
    ("Content-Length: \"5\"", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\nhello"),
    ("Content-Length: five", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\nhello"),
    ("Content-Length of nothing", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nhello"),
    ("Content-Length of spaces", b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length:   \r\n\r\nhello"),
    (
        "Content-Length in digits that are not ASCII",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: \xef\xbc\x95\r\n\r\nhello",
    ),
    (
        "Content-Length of 2^63",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\nhello",
    ),
    (
        "Content-Length of 2^64 + 5",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
    ),
    (
        "Content-Length of thirty digits",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999999999999999999999999\r\n\r\nhello",
    ),
    ("a wrong Content-Length of a GET", b"GET /evil HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n"),
    // Content-Length with Transfer-Encoding.
    (
        "Content-Length, then Transfer-Encoding",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "Transfer-Encoding, then Content-Length",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    (
        "Content-Length of 0 with Transfer-Encoding",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    // Transfer-Encoding.
    (
        "gzip, chunked",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked, gzip",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked, chunked",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked in two fields",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked and identity in two fields",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    ),
    ("identity", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
    ("gzip", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
    ("xchunked", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    ("chunkedx", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n"),
    ("chunked;q=1", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
    ("\"chunked\"", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
    ("chunked and a comma", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
    ("a comma and chunked", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"),
    (
        "a vertical tab and chunked",
        b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    ("Transfer-Encoding of nothing", b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"),
    ("Transfer-Encoding of a GET", b"GET /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n"),
    (
        "Transfer-Encoding in HTTP/1.0",
        b"POST /evil HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "Transfer-Encoding in HTTP/1.0 with keep-alive",
        b"POST /evil HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "both lengths in HTTP/1.0",
        b"POST /evil HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    // Host.
    ("no Host", b"GET /evil HTTP/1.1\r\nX: a\r\n\r\n"),
    ("no field at all", b"GET /evil HTTP/1.1\r\n\r\n"),
    ("Host twice, equal", b"GET /evil HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("Host twice, different", b"GET /evil HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("Host twice in HTTP/1.0", b"GET /evil HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"),
    ("an empty Host", b"GET /evil HTTP/1.1\r\nHost:\r\n\r\n"),
    ("a list in Host", b"GET /evil HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("a space in Host", b"GET /evil HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("a path in Host", b"GET /evil HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("a user in Host", b"GET /evil HTTP/1.1\r\nHost: user@a\r\n\r\n"),
    ("a query in Host", b"GET /evil HTTP/1.1\r\nHost: a?b\r\n\r\n"),
    ("a port that is no number", b"GET /evil HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    ("a port that is too large", b"GET /evil HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    ("two ports", b"GET /evil HTTP/1.1\r\nHost: a:80:81\r\n\r\n"),
    ("a port alone", b"GET /evil HTTP/1.1\r\nHost: :80\r\n\r\n"),
    ("an open bracket in Host", b"GET /evil HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    ("no address in brackets", b"GET /evil HTTP/1.1\r\nHost: [a]\r\n\r\n"),
    ("a byte above ASCII in Host", b"GET /evil HTTP/1.1\r\nHost: \xe9\r\n\r\n"),
    ("absolute-form against Host", b"GET http://b/evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("absolute-form against Host's port", b"GET http://a:81/evil HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    ("absolute-form with a port that Host lacks", b"GET http://a:8080/evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("absolute-form with a user", b"GET http://user@a/evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("absolute-form without Host", b"GET http://a/evil HTTP/1.1\r\nX: a\r\n\r\n"),
    ("absolute-form without a host", b"GET http:///evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("absolute-form of another scheme", b"GET ftp://a/evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("absolute-form without slashes", b"GET http:/evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    // Versions.
    ("HTTP/0.9", b"GET /evil HTTP/0.9\r\nHost: a\r\n\r\n"),
    ("no version", b"GET /evil\r\nHost: a\r\n\r\n"),
    ("HTTP/1.2", b"GET /evil HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("HTTP/2.0", b"GET /evil HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("HTTP/1.10", b"GET /evil HTTP/1.10\r\nHost: a\r\n\r\n"),
    ("HTTP/01.1", b"GET /evil HTTP/01.1\r\nHost: a\r\n\r\n"),
    ("HTTP/1", b"GET /evil HTTP/1\r\nHost: a\r\n\r\n"),
    ("HTTP/1,1", b"GET /evil HTTP/1,1\r\nHost: a\r\n\r\n"),
    ("http/1.1", b"GET /evil http/1.1\r\nHost: a\r\n\r\n"),
    ("HTTPS/1.1", b"GET /evil HTTPS/1.1\r\nHost: a\r\n\r\n"),
    ("a space behind the version", b"GET /evil HTTP/1.1 \r\nHost: a\r\n\r\n"),
    ("a space in the version", b"GET /evil HTTP/ 1.1\r\nHost: a\r\n\r\n"),
    // The request line.
    ("no method", b" /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a space before the method", b" GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a parenthesis in the method", b"GE(T /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a colon in the method", b"GET: /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a slash in the method", b"GE/T /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("NUL in the method", b"GE\0T /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a byte above ASCII in the method", b"G\xc9T /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("tabs in the request line", b"GET\t/evil\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    ("two spaces before the target", b"GET  /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("two spaces behind the target", b"GET /evil  HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a space in the target", b"GET /e vil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("NUL in the target", b"GET /e\0vil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a control character in the target", b"GET /e\x01vil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("DEL in the target", b"GET /e\x7fvil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a byte above ASCII in the target", b"GET /\xe9vil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a fragment in the target", b"GET /evil#x HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a target without a slash", b"GET evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("an asterisk for GET", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("authority-form", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    ("authority-form for GET", b"GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    // Others.
    ("a connection option that is no token", b"GET /evil HTTP/1.1\r\nHost: a\r\nConnection: \"close\"\r\n\r\n"),
    ("a TLS hello", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x00\x01\x02\r\n\r\n"),
    ("a PROXY header", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("zeros", b"\0\0\0\0\0\0\0\0\r\n\r\n"),
];

/// Wrong in their chunked body, behind a good head.
const CHUNKS: &[Case] = &[
    ("no size", b"\r\nhello\r\n0\r\n\r\n"),
    ("a size that is no number", b"g\r\nhello\r\n0\r\n\r\n"),
    ("a sign before a size", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("a negative size", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("0x before a size", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("a space before a size", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("a space behind a size", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("a tab behind a size", b"5\t\r\nhello\r\n0\r\n\r\n"),
    ("an underscore in a size", b"0_5\r\nhello\r\n0\r\n\r\n"),
    ("a size in quotes", b"\"5\"\r\nhello\r\n0\r\n\r\n"),
    ("a size of 2^64 + 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("a size of 2^63", b"8000000000000000\r\nhello\r\n0\r\n\r\n"),
    ("a size of many zeros", b"00000000000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("bare LF behind a size", b"5\nhello\r\n0\r\n\r\n"),
    ("bare CR behind a size", b"5\rhello\r\n0\r\n\r\n"),
    ("doubled CR behind a size", b"5\r\r\nhello\r\n0\r\n\r\n"),
    ("bare LF in an extension", b"5;a\nhello\r\n0\r\n\r\n"),
    ("bare CR in an extension", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("NUL in an extension", b"5;a\0\r\nhello\r\n0\r\n\r\n"),
    ("an extension without a size", b";a\r\nhello\r\n0\r\n\r\n"),
    ("no CRLF behind the data", b"5\r\nhello0\r\n\r\n"),
    ("bare LF behind the data", b"5\r\nhello\n0\r\n\r\n"),
    ("bare CR behind the data", b"5\r\nhello\r0\r\n\r\n"),
    ("more data than the size", b"5\r\nhello there\r\n0\r\n\r\n"),
    ("less data than the size", b"5\r\nhel\r\n0\r\n\r\n"),
    ("bare LF behind the last chunk", b"5\r\nhello\r\n0\n\r\n"),
    ("bare LF in the last extension", b"5\r\nhello\r\n0;a\n\r\n"),
    ("bare LF as the last line", b"5\r\nhello\r\n0\r\n\n"),
    ("bare LF behind a trailer", b"5\r\nhello\r\n0\r\nX: a\n\r\n"),
    ("a folded trailer", b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n"),
    ("a space before a trailer's colon", b"5\r\nhello\r\n0\r\nX : a\r\n\r\n"),
    ("a trailer without a colon", b"5\r\nhello\r\n0\r\nX\r\n\r\n"),
    ("NUL in a trailer", b"5\r\nhello\r\n0\r\nX: \0\r\n\r\n"),
    ("Content-Length as a trailer", b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
    ("Transfer-Encoding as a trailer", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("Host as a trailer", b"5\r\nhello\r\n0\r\nHost: b\r\n\r\n"),
    ("Connection as a trailer", b"5\r\nhello\r\n0\r\nConnection: x\r\n\r\n"),
];

const CHUNKED_HEAD: &[u8] = b"POST /evil HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// All cases: a name, the bytes, and how many of them are the head.
fn cases() -> Vec<(String, Vec<u8>, usize)> {
    let heads = HEADS.iter().map(|(name, bytes)| (name.to_string(), bytes.to_vec(), bytes.len()));
    let chunks = CHUNKS.iter().map(|(name, body)| {
        (format!("a chunked body with {name}"), [CHUNKED_HEAD, body].concat(), CHUNKED_HEAD.len())
    });
    heads.chain(chunks).collect()
}

/// A server, Weir before it, and good requests that show that all that came before them has been dealt with.
struct Stage {
    origin: Origin,
    weir: Weir,
    markers: Vec<String>,
}

impl Stage {
    fn new() -> Self {
        let origin = Origin::saying("fine");
        // Where HTTP/2 is spoken, its preface is no malformed request.
        let weir = Weir::before_with(&[&origin], "{ protocols: [http1] }");
        Self { origin, weir, markers: Vec::new() }
    }

    fn mark(&mut self, name: &str) {
        let marker = format!("/marker-{}", self.markers.len());
        let answer = self.weir.get(&marker);
        assert_eq!(answer.status, 200, "{name}");
        self.markers.push(marker);
    }
}

/// An answer with this status that says that the connection ends, and its end.
#[track_caller]
fn expect_refusal(name: &str, client: &mut Client, status: u16) {
    let answer = client
        .try_response("GET")
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .unwrap_or_else(|| panic!("{name}: closed without an answer"));
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
    assert_eq!(answer.fields.get("connection"), Some("close"), "{name}");
    let rest = client.try_rest().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(String::from_utf8_lossy(&rest), "", "{name}: more than one answer");
}

#[test]
fn at_least_seventy_five_are_known() {
    assert!(cases().len() >= 75, "{}", cases().len());
}

#[test]
fn refused_with_400_and_no_server_sees_a_byte() {
    let mut stage = Stage::new();
    for (name, bytes, _) in cases() {
        let mut client = stage.weir.connect();
        expect_refusal(&name, client.send(&bytes), 400);
        stage.mark(&name);
    }
    stage.origin.expect_only(&stage.markers);
    let refused = stage.weir.metrics().sum("weir_requests_refused_total", &[]);
    assert_eq!(refused, cases().len() as f64);
}

#[test]
fn a_good_request_before_is_answered_and_one_behind_is_never_forwarded() {
    let mut stage = Stage::new();
    for (name, bytes, _) in cases() {
        let before = format!("GET /before-{} HTTP/1.1\r\nHost: a\r\n\r\n", stage.markers.len());
        let behind = b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut client = stage.weir.connect();
        client.send([before.as_bytes(), &bytes, behind].concat());
        let answer = client.response();
        assert_eq!((answer.status, answer.text().as_str()), (200, "fine"), "{name}");
        expect_refusal(&name, &mut client, 400);
        stage.markers.push(format!("/before-{}", stage.markers.len()));
        stage.mark(&name);
    }
    stage.origin.expect_only(&stage.markers);
}

#[test]
fn refused_all_the_same_when_it_comes_in_two_pieces() {
    let mut stage = Stage::new();
    for (name, bytes, head_len) in cases() {
        let len = bytes.len();
        let mut cuts = vec![1, len / 3, len * 2 / 3, len - 1];
        cuts.retain(|cut| (1..=head_len.min(len - 1)).contains(cut));
        // A chunked body that is wrong before its head is forwarded must come with the head.
        cuts.retain(|cut| head_len == len || *cut < head_len);
        cuts.dedup();
        for cut in cuts {
            let mut client = stage.weir.connect();
            client.send(&bytes[..cut]).wait_until_read();
            expect_refusal(&format!("{name}, cut at {cut}"), client.send(&bytes[cut..]), 400);
        }
        stage.mark(&name);
    }
    stage.origin.expect_only(&stage.markers);
}

/// The head has gone on when the body turns out to be wrong: the server must never see it end.
#[test]
fn a_chunk_that_is_wrong_later_ends_both_connections() {
    let mut stage = Stage::new();
    for (name, bytes, head_len) in cases().into_iter().filter(|(_, bytes, head_len)| *head_len < bytes.len())
    {
        for good in [&b""[..], b"3;x=\"y\"\r\nabc\r\n"] {
            let mut client = stage.weir.connect();
            let connections = stage.origin.connections().len();
            client.send([&bytes[..head_len], good].concat()).wait_until_read();
            expect_refusal(&name, client.send(&bytes[head_len..]), 400);
            let at_server = stage.origin.connections().len() - 1;
            assert!(at_server <= connections, "{name}");
            stage.origin.wait_until_closed(at_server);
        }
        stage.mark(&name);
    }
    assert_eq!(stage.origin.targets(), stage.markers, "only these came whole");
}

#[test]
fn a_request_that_ends_early_is_no_request() {
    let mut stage = Stage::new();
    let request = b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell";
    for cut in [1, 3, 5, 18, 21, 30, request.len() - 6] {
        let mut client = stage.weir.connect();
        client.send(&request[..cut]).half_close().expect_closed();
        stage.mark("a head that ends early");
    }
    stage.origin.expect_only(&stage.markers);

    let mut client = stage.weir.connect();
    client.send(request).half_close().expect_closed();
    stage.origin.wait_until_closed(stage.origin.connections().len() - 1);
    stage.mark("a body that ends early");
    assert_eq!(stage.origin.targets(), stage.markers, "only these came whole");
}

#[test]
fn limits_have_statuses_of_their_own() {
    let mut stage = Stage::new();
    let field = |len: usize| format!("X: {}\r\n", "x".repeat(len));
    let cases = [
        (
            "a target beyond max_uri_bytes",
            414,
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(8192)),
        ),
        ("a target without an end", 414, format!("GET /{}", "x".repeat(20_000))),
        (
            "a head beyond max_header_bytes",
            431,
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", field(40_000)),
        ),
        ("a head without an end", 431, format!("GET / HTTP/1.1\r\nHost: a\r\n{}", field(10_000).repeat(4))),
        (
            "fields beyond max_headers",
            431,
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", field(1).repeat(100)),
        ),
        (
            "a length beyond max_body_bytes",
            413,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741825\r\n\r\n".into(),
        ),
        (
            "the largest length",
            413,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n".into(),
        ),
        (
            "a chunk beyond max_body_bytes",
            413,
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n40000001\r\nx".into(),
        ),
        (
            "an extension without an end",
            400,
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(300)),
        ),
    ];
    for (name, status, request) in cases {
        let mut client = stage.weir.connect();
        expect_refusal(name, client.send(request), status);
        stage.mark(name);
    }
    stage.origin.expect_only(&stage.markers);
}
