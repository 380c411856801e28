//! HTTP/2 overdone: attacks end with the right code and are counted, what they hold is bounded, others are served; and
//! clients that are only busy are left alone.

mod h2_abuse {
    mod attacks;
    mod busy;
    mod held;
    mod limits;
}
