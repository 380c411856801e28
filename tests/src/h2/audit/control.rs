//! Frames that concern the connection: SETTINGS, PING, GOAWAY (RFC 9113 sections 6.5, 6.7, 6.8).

use super::{Audit, Side};
use crate::h2::{FRAME_INITIAL, Frame, WINDOW_MAX, flag, link::Event, setting};

impl Audit {
    pub(super) fn acknowledgement(&mut self) -> Result<Event, String> {
        let settings = self.settings_sent.pop_front();
        let settings = settings.ok_or("section 6.5.3: an acknowledgement of nothing")?;
        self.acknowledged += 1;
        for (id, value) in settings {
            match id {
                setting::INITIAL_WINDOW_SIZE => self.resize(value),
                setting::MAX_FRAME_SIZE => self.frame_max = value,
                setting::HEADER_TABLE_SIZE => self.decoder.allow(value as usize),
                _ => {}
            }
        }
        Ok(Event::SettingsAck)
    }

    pub(super) fn their_settings(&mut self, payload: &[u8]) -> Result<Event, String> {
        let settings = settings_of(payload);
        self.settings_seen += 1;
        for &(id, value) in &settings {
            let is_right = match (id, self.side) {
                (setting::ENABLE_PUSH, Side::Client) => value == 0,
                (setting::ENABLE_PUSH | setting::ENABLE_CONNECT_PROTOCOL, _) => value <= 1,
                (setting::INITIAL_WINDOW_SIZE, _) => value <= WINDOW_MAX,
                (setting::MAX_FRAME_SIZE, _) => (FRAME_INITIAL..1 << 24).contains(&value),
                _ => true,
            };
            if !is_right {
                return Err(format!("section 6.5.2: setting {id} is {value}"));
            }
            let before = self.room_initial();
            self.settings.insert(id, value);
            let difference = self.room_initial() - before;
            self.streams.values_mut().for_each(|stream| stream.room += difference);
        }
        Ok(Event::Settings(settings))
    }

    pub(super) fn ping(&mut self, frame: &Frame) -> Result<Event, String> {
        let octets = <[u8; 8]>::try_from(&frame.payload[..]).expect("looked at before");
        if !frame.has(flag::ACK) {
            return Ok(Event::Ping(octets));
        }
        let at = self.pings_sent.iter().position(|sent| *sent == octets);
        self.pings_sent.remove(at.ok_or("section 6.7: an answer to no PING")?);
        Ok(Event::PingAck(octets))
    }

    pub(super) fn goaway(&mut self, last: u32, code: u32) -> Result<Event, String> {
        if last > self.goaway_last {
            return Err(format!("section 6.8: the last stream rises from {} to {last}", self.goaway_last));
        }
        self.goaway_last = last;
        let is_known = last == 0 || last == WINDOW_MAX || self.streams.contains_key(&last);
        if !is_known {
            return Err(format!("section 6.8: the last stream is {last}, which nobody opened"));
        }
        Ok(Event::GoAway { last, code })
    }
}

/// The settings of a payload.
pub(super) fn settings_of(payload: &[u8]) -> Vec<(u16, u32)> {
    let setting = |octets: &[u8]| {
        let (id, value) = octets.split_at(2);
        let id = u16::from_be_bytes(id.try_into().expect("two octets"));
        (id, u32::from_be_bytes(value.try_into().expect("four octets")))
    };
    payload.chunks_exact(6).map(setting).collect()
}
