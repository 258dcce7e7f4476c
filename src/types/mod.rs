//! Values that carry their rule. A newtype here has a private field, a checked constructor and only the arithmetic that makes sense.

mod asn;
mod endpoint;
mod header;
mod identity;
mod scope;
mod time;

pub use asn::Asn;
pub use endpoint::{Endpoint, Family, IpEndpoint};
pub use header::{Dscp, FlowLabel, Mtu, Tos, Ttl};
pub use identity::{Ident, Port, ProbeId, Sequence};
pub use scope::is_public;
pub use time::{ClockError, Instant, Now, Rtt, Stamp, StampSource, WallTime};
