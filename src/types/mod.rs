//! Values that carry their rule. A newtype here has a private field, a checked constructor and only the arithmetic that makes sense.

/// An enum whose variants have names, by which they serialise: `Variant = "name"`.
macro_rules! named {
    ($(#[$meta:meta])* pub enum $named:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        pub enum $named {
            $($(#[$doc])* $variant,)*
        }

        impl $named {
            /// Every variant, in the order of the declaration.
            pub const ALL: &[$named] = &[$($named::$variant,)*];

            /// The name of every variant, in that order.
            pub const NAMES: &[&str] = &[$($name,)*];

            /// The name: in JSON and CSV, and where options have such values, theirs.
            pub const fn name(self) -> &'static str {
                match self {
                    $($named::$variant => $name,)*
                }
            }
        }

        impl serde::Serialize for $named {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}
pub(crate) use named;

mod asn;
mod endpoint;
mod escape;
mod fnv;
mod header;
mod host_port;
mod identity;
mod scope;
mod time;

pub use asn::Asn;
pub use endpoint::{Endpoint, Family, IpEndpoint};
pub(crate) use escape::is_visible;
pub use escape::{escape, printable};
pub(crate) use fnv::Fnv;
pub use header::{Dscp, FlowLabel, Mtu, Tos, Ttl};
pub use host_port::HostPort;
pub use identity::{Ident, Port, ProbeId, Sequence};
pub use scope::{announced_form, is_public};
pub use time::{ClockError, Instant, Now, Rtt, Stamp, StampSource, WallTime, push_millis, write_millis};
