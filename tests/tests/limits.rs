//! Every limit: what happens when it is reached, that it is counted, and that others do not suffer.

mod limits {
    mod connections;
    mod sizes;
    mod timeouts;
}
