//! How connections are run: what the file says, in the words of the codec.
//!
//! The file has three rates, for a person cannot weigh ten kinds of frames against each other. Each kind has a budget of
//! its own that is a multiple of one of them. Rejected: one budget for all, in which an upload's frames would use up what
//! its PINGs need.

use std::time::Duration;

use weir_config::{Http2Settings, HttpSettings, Rate};

use crate::{
    h1::HeadLimits,
    h2::{Budget, Budgets, Settings},
};

/// The budgets hold so much of their rates.
const BURST: Duration = Duration::from_secs(10);

/// No budget holds less, whatever the rate: every connection begins with some frames of each kind.
const BURST_MIN: u64 = 10;

/// Bytes that a server may send before a client takes them, on one stream whose client has not shown yet that it does.
const UPSTREAM_STREAM_WINDOW: u32 = 64 * 1024;

/// The same on one whose client keeps up: a download over 10 ms runs at 800 Mbit/s.
const UPSTREAM_STREAM_WINDOW_MAX: u32 = 1024 * 1024;

/// The same on all streams of a connection to a server, and the most that is kept of it. It has room for twice 100 streams
/// that nobody reads, and for ten fast ones: the streams are of many clients, and none of them must be able to stop the
/// others by not reading what it asked for. Rejected: 1 MiB for each from the beginning (a hundred clients that do not
/// read hold 100 MiB), and less for all of them than for each (four such clients stop the rest).
const UPSTREAM_CONNECTION_WINDOW: u32 = 24 * 1024 * 1024;

/// Towards a client.
pub(super) fn downstream(http: &HttpSettings, head: HeadLimits) -> Settings {
    Settings {
        streams_max: http.http2.max_concurrent_streams,
        stream_window: http.http2.stream_window,
        stream_window_max: http.http2.stream_window,
        connection_window: http.http2.connection_window,
        head,
        body_bytes_max: http.max_body_bytes,
        extended_connect: true,
        budgets: budgets(&http.http2),
        ..Settings::default()
    }
}

/// Towards a server. Servers are trusted more than strangers, but not to be free of mistakes: they have budgets too. What
/// comes with exchanges has a hundred times the default, since so many clients may share a connection, and its end hurts
/// them all. The limits of heads are those of no listener, since listeners share connections to servers.
pub(super) fn upstream() -> Settings {
    let each = Budgets::default();
    let hundredfold =
        |Budget { burst, per_hour }| Budget { burst: burst.saturating_mul(100), per_hour: per_hour * 100 };
    let budgets = Budgets {
        empty_data: hundredfold(each.empty_data),
        small_data: hundredfold(each.small_data),
        window_updates: hundredfold(each.window_updates),
        ..each
    };
    Settings {
        budgets,
        stream_window: UPSTREAM_STREAM_WINDOW,
        stream_window_max: UPSTREAM_STREAM_WINDOW_MAX,
        connection_window: UPSTREAM_CONNECTION_WINDOW,
        ..Settings::default()
    }
}

/// What the rates of the file mean for each kind of frame. With the defaults these are those of [`Budgets`].
fn budgets(http2: &Http2Settings) -> Budgets {
    let (resets, control, empty) = (http2.max_resets, http2.max_control_frames, http2.max_empty_frames);
    Budgets {
        resets: share(resets, 1, 1),
        settings: share(control, 1, 5),
        pings: share(control, 2, 1),
        priorities: share(control, 1, 1),
        unknown_frames: share(control, 1, 1),
        window_updates: share(control, 4, 1),
        late_frames: share(control, 4, 1),
        empty_data: share(empty, 1, 1),
        small_data: share(empty, 500, 1),
        ..Budgets::default()
    }
}

/// `rate * times / part`, with what it brings in [`BURST`].
fn share(rate: Rate, times: u64, part: u64) -> Budget {
    const HOUR: Duration = Duration::from_secs(3600);
    let in_time = |time: Duration| {
        let count = u128::from(rate.count) * u128::from(times) * time.as_millis();
        count / (rate.per.as_millis().max(1) * u128::from(part))
    };
    let burst = in_time(BURST).max(BURST_MIN.into()).try_into().unwrap_or(u32::MAX);
    Budget { burst, per_hour: in_time(HOUR).try_into().unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(count: u64, seconds: u64) -> Rate {
        Rate { count, per: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_share_holds_ten_seconds_of_its_rate() {
        let check = |rate, times, part, burst, per_hour| {
            assert_eq!(share(rate, times, part), Budget { burst, per_hour }, "{rate:?} * {times} / {part}");
        };
        check(rate(20, 1), 1, 1, 200, 72_000);
        check(rate(50, 1), 4, 1, 2000, 720_000);
        check(rate(600, 60), 1, 1, 100, 36_000);
        check(rate(1, 3600), 1, 1, 10, 1);
        check(rate(1_000_000_000, 1), 500, 1, u32::MAX, 1_800_000_000_000_000);
    }

    #[test]
    fn the_defaults_are_the_same_in_both() {
        let http2 = Http2Settings {
            max_concurrent_streams: 128,
            stream_window: 256 * 1024,
            connection_window: 1024 * 1024,
            max_resets: rate(20, 1),
            max_control_frames: rate(50, 1),
            max_empty_frames: rate(20, 1),
        };
        assert_eq!(budgets(&http2), Budgets::default());
    }
}
