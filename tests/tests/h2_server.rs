//! Weir as an HTTP/2 server: RFC 9113 and RFC 7541 sentence by sentence, in raw frames.
//!
//! Each section is a table of cases, each with the sentence that it stands for. `WEIR_TESTS_H2=haproxy` (or `nginx`)
//! runs the same cases against another server, to tell mistakes of the suite from mistakes of Weir.

mod h2_server {
    mod connect;
    mod continuation;
    mod control_data;
    mod data;
    mod drain;
    mod errors;
    mod extensions;
    mod fields;
    mod flow_control;
    mod frame_format;
    mod frame_size;
    mod framing;
    mod goaway;
    mod headers;
    mod hpack_integers;
    mod hpack_representations;
    mod hpack_tables;
    mod identifiers;
    mod messages;
    mod ping;
    mod preface;
    mod priority;
    mod push_promise;
    mod responses;
    mod rst_stream;
    mod settings;
    mod states;
    mod uploads;
    mod window_update;
}
