//! How a connection begins.

use amq_protocol::auth::Credentials;
use amq_protocol::frame::{AMQPFrame, ProtocolVersion};
use bytes::BytesMut;
use lapin::protocol::connection::{AMQPMethod, Open, StartOk, Tune, TuneOk};
use lapin::protocol::{AMQPClass, constants};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPUri, SASLMechanism};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frames::{encoded, take};
use crate::address::Address;
use crate::fault::Fault;

/// What client and broker agreed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agreed {
    /// Bytes of the longest frame.
    pub(super) frame_max: usize,
    /// Seconds between heartbeats; 0 for none.
    pub(super) heartbeat: u16,
    pub(super) channels: u16,
}

/// Shakes hands over `stream`. What was received after it is left in `received`.
pub(super) async fn shake_hands(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    received: &mut BytesMut,
    address: &Address,
    name: &str,
) -> Result<Agreed, Fault> {
    let uri = address.uri();
    let mut hand = Hand {
        stream,
        received,
        address,
    };
    hand.send(&AMQPFrame::ProtocolHeader(ProtocolVersion::amqp_0_9_1()))
        .await?;
    let AMQPMethod::Start(_) = hand.receive().await? else {
        return Err(hand.unexpected());
    };
    hand.say(AMQPMethod::StartOk(start_ok(&uri, name))).await?;
    let AMQPMethod::Tune(tune) = hand.receive().await? else {
        return Err(hand.unexpected());
    };
    let agreed = agree(&tune, &uri);
    hand.say(AMQPMethod::TuneOk(TuneOk {
        channel_max: agreed.channels,
        frame_max: u32::try_from(agreed.frame_max).unwrap_or(tune.frame_max),
        heartbeat: agreed.heartbeat,
    }))
    .await?;
    hand.say(AMQPMethod::Open(Open {
        virtual_host: uri.vhost.as_str().into(),
    }))
    .await?;
    let AMQPMethod::OpenOk(_) = hand.receive().await? else {
        return Err(hand.unexpected());
    };
    Ok(agreed)
}

fn start_ok(uri: &AMQPUri, name: &str) -> StartOk {
    let mechanism = uri.query.auth_mechanism.unwrap_or_default();
    let credentials = Credentials::from(uri.authority.userinfo.clone());
    let mut capabilities = FieldTable::default();
    for capability in [
        "publisher_confirms",
        "basic.nack",
        "connection.blocked",
        // Otherwise a wrong password shows as nothing but a closed connection.
        "authentication_failure_close",
    ] {
        capabilities.insert(capability.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    for (property, value) in [
        ("product", "flotilla"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("platform", "rust"),
        ("connection_name", name),
    ] {
        properties.insert(property.into(), AMQPValue::LongString(value.into()));
    }
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    StartOk {
        client_properties: properties,
        mechanism: SASLMechanism::name(&mechanism).into(),
        response: credentials.sasl_auth_string(mechanism),
        locale: "en_US".into(),
    }
}

/// Where both set a limit, the lower one holds; 0 is none.
fn agree(tune: &Tune, uri: &AMQPUri) -> Agreed {
    fn lower<N: Ord + Default + Copy>(theirs: N, ours: Option<N>) -> N {
        let ours = ours.unwrap_or_default();
        if theirs == N::default() || ours == N::default() {
            theirs.max(ours)
        } else {
            theirs.min(ours)
        }
    }
    let or_most = |limit: u16| if limit == 0 { u16::MAX } else { limit };
    let frame_max = match lower(tune.frame_max, uri.query.frame_max) {
        0 => 131_072,
        frame_max => frame_max.max(constants::FRAME_MIN_SIZE),
    };
    Agreed {
        frame_max: frame_max as usize,
        heartbeat: lower(tune.heartbeat, uri.query.heartbeat),
        channels: or_most(lower(tune.channel_max, uri.query.channel_max)),
    }
}

struct Hand<'a, S> {
    stream: &'a mut S,
    received: &'a mut BytesMut,
    address: &'a Address,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Hand<'_, S> {
    async fn say(&mut self, method: AMQPMethod) -> Result<(), Fault> {
        self.send(&AMQPFrame::Method(0, AMQPClass::Connection(method)))
            .await
    }

    async fn send(&mut self, frame: &AMQPFrame) -> Result<(), Fault> {
        let sent = async {
            self.stream.write_all(&encoded(frame)).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| Fault::network(self.address, &error))
    }

    async fn receive(&mut self) -> Result<AMQPMethod, Fault> {
        loop {
            match take(self.received).map_err(|_| self.unexpected())? {
                Some(AMQPFrame::Method(0, AMQPClass::Connection(AMQPMethod::Close(close)))) => {
                    let (code, text) = (close.reply_code, close.reply_text.as_str());
                    return Err(Fault::refused(self.address, code, text));
                }
                Some(AMQPFrame::Method(0, AMQPClass::Connection(method))) => return Ok(method),
                Some(AMQPFrame::Heartbeat) => continue,
                Some(_) => return Err(self.unexpected()),
                None => {}
            }
            let read = self.stream.read_buf(self.received).await;
            match read.map_err(|error| Fault::network(self.address, &error))? {
                0 => {
                    let ended = std::io::ErrorKind::UnexpectedEof.into();
                    return Err(Fault::network(self.address, &ended));
                }
                _ => continue,
            }
        }
    }

    fn unexpected(&self) -> Fault {
        Fault::unavailable(format!(
            "cannot connect to {}: it does not answer as AMQP 0-9-1 wants it. Is it a plain AMQP port, and does it \
             know the mechanism that the URL asks for?",
            self.address
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_limit_holds_and_0_is_none() {
        let agreed = |channel_max, frame_max, heartbeat, url: &str| {
            let tune = Tune {
                channel_max,
                frame_max,
                heartbeat,
            };
            let agreed = agree(&tune, &url.parse().unwrap());
            (agreed.channels, agreed.frame_max, agreed.heartbeat)
        };
        let asks = "amqp://h?heartbeat=15&frame_max=65536&channel_max=100";
        assert_eq!(agreed(2_047, 131_072, 60, asks), (100, 65_536, 15));
        assert_eq!(agreed(50, 16_384, 5, asks), (50, 16_384, 5));
        assert_eq!(agreed(0, 0, 0, asks), (100, 65_536, 15));
        assert_eq!(agreed(0, 0, 0, "amqp://h"), (u16::MAX, 131_072, 0));
        assert_eq!(
            agreed(2_047, 131_072, 60, "amqp://h?heartbeat=0"),
            (2_047, 131_072, 60)
        );
    }
}
