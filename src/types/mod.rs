//! Values that carry their rule. A newtype here has a private field, a checked constructor and only the arithmetic that makes sense.

/// Lets values with a `name` serialise as that.
macro_rules! serialize_as_name {
    ($named:ty) => {
        impl serde::Serialize for $named {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}
pub(crate) use serialize_as_name;

mod asn;
mod endpoint;
mod escape;
mod header;
mod identity;
mod scope;
mod time;

pub use asn::Asn;
pub use endpoint::{Endpoint, Family, IpEndpoint};
pub(crate) use escape::is_visible;
pub use escape::{escape, escaped, printable};
pub use header::{Dscp, FlowLabel, Mtu, Tos, Ttl};
pub use identity::{Ident, Port, ProbeId, Sequence};
pub use scope::is_public;
pub use time::{ClockError, Instant, Now, Rtt, Stamp, StampSource, WallTime};
