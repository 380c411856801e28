//! HTTP/1.1 and HTTP/1.0 as they should be: what goes through, what is changed on the way, what is held back.

mod protocol {
    mod bodies;
    mod deadlines;
    mod fields;
    mod going_away;
    mod interim;
    mod keep_alive;
    mod large;
    mod upgrade;
}
