//! Values as JSON: [`Plain`] for all, [`Fields`] for those that are objects, [`Variants`] for enums, each in both directions; and
//! the macros that list the fields of a type once for both.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::shelf::Shelves;

pub type Object = Map<String, Value>;

/// Why a line is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(Cow<'static, str>);

impl Fault {
    pub(super) const fn new(what: &'static str) -> Self {
        Fault(Cow::Borrowed(what))
    }

    /// What is expected of this key.
    fn of_key(self, key: &str) -> Self {
        Fault(format!("{key}: {}", self.0).into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where values are written.
pub struct Out<'a> {
    pub octets: &'a mut Vec<u8>,
    pub shelves: &'a mut Shelves,
}

impl Out<'_> {
    pub fn push(&mut self, text: &str) {
        self.octets.extend_from_slice(text.as_bytes());
    }

    /// A number or anything else that needs no escapes.
    pub fn show(&mut self, value: impl fmt::Display) {
        // A Vec takes everything.
        let _ = write!(self.octets, "{value}");
    }

    pub fn text(&mut self, text: &str) {
        let _ = serde_json::to_writer(&mut *self.octets, text);
    }

    fn comma(&mut self) {
        if !matches!(self.octets.last(), Some(b'{' | b'[')) {
            self.push(",");
        }
    }

    /// An entry of an object, unless it is what an absent one means.
    pub fn entry(&mut self, key: &str, value: &impl Plain) {
        if value.is_absent() {
            return;
        }
        self.comma();
        self.push("\"");
        self.push(key);
        self.push("\":");
        value.put(self);
    }

    pub fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.push("{");
        fields(self);
        self.push("}");
    }
}

/// A value of one kind.
pub trait Plain: Sized {
    fn put(&self, out: &mut Out<'_>);

    /// # Errors
    /// If it is not a value of this kind.
    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault>;

    /// Whether it is what an absent entry means.
    fn is_absent(&self) -> bool {
        false
    }

    /// What an absent entry means.
    fn absent() -> Option<Self> {
        None
    }
}

/// A value with named parts.
pub trait Fields: Sized {
    fn put_fields(&self, out: &mut Out<'_>);

    /// # Errors
    /// If a part is missing or wrong.
    fn get_fields(object: &mut Object, shelves: &mut Shelves) -> Result<Self, Fault>;
}

/// A value of one of several kinds.
pub trait Variants: Sized {
    /// The name of its kind.
    fn tag(&self) -> &'static str;

    fn put_fields(&self, out: &mut Out<'_>);

    /// The value of this kind; `None` if there is no such kind.
    ///
    /// # Errors
    /// If a part is missing or wrong.
    fn from_tag(tag: &str, object: &mut Object, shelves: &mut Shelves) -> Result<Option<Self>, Fault>;
}

/// Takes the entry of an object.
///
/// # Errors
/// If it is missing or wrong.
pub fn take<T: Plain>(object: &mut Object, key: &str, shelves: &mut Shelves) -> Result<T, Fault> {
    match object.remove(key) {
        Some(value) => T::get(value, shelves).map_err(|fault| fault.of_key(key)),
        None => T::absent().ok_or_else(|| Fault::new("missing").of_key(key)),
    }
}

/// The entries of an object.
///
/// # Errors
/// If it is none.
pub fn object(value: Value) -> Result<Object, Fault> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(Fault::new("not an object")),
    }
}

/// The octets of hexadecimal digits.
pub fn octets(digits: &str) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16).map(|value| value as u8);
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

/// The value of a variant: its name, or an object with its parts under its name.
pub fn put_variant(value: &impl Variants, out: &mut Out<'_>) {
    let (start, tag) = (out.octets.len(), value.tag());
    out.push("{");
    out.text(tag);
    out.push(":{");
    let empty = out.octets.len();
    value.put_fields(out);
    if out.octets.len() == empty {
        out.octets.truncate(start);
        out.text(tag);
    } else {
        out.push("}}");
    }
}

/// # Errors
/// If there is no such variant, or a part is wrong.
pub fn get_variant<T: Variants>(value: Value, shelves: &mut Shelves) -> Result<T, Fault> {
    let (tag, mut object) = match value {
        Value::String(tag) => (tag, Object::new()),
        Value::Object(outer) => match outer.into_iter().next() {
            Some((tag, value)) => (tag, object(value)?),
            None => return Err(Fault::new("an empty object")),
        },
        _ => return Err(Fault::new("neither a name nor an object")),
    };
    T::from_tag(&tag, &mut object, shelves)?.ok_or_else(|| Fault::new("an unknown name"))
}

impl<T: Plain> Plain for Option<T> {
    fn put(&self, out: &mut Out<'_>) {
        match self {
            Some(value) => value.put(out),
            None => out.push("null"),
        }
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        if value.is_null() { Ok(None) } else { T::get(value, shelves).map(Some) }
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Plain> Plain for Vec<T> {
    fn put(&self, out: &mut Out<'_>) {
        out.push("[");
        for value in self {
            out.comma();
            value.put(out);
        }
        out.push("]");
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        match value {
            Value::Array(values) => values.into_iter().map(|value| T::get(value, shelves)).collect(),
            _ => Err(Fault::new("not an array")),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: Plain> Plain for Box<T> {
    fn put(&self, out: &mut Out<'_>) {
        T::put(self, out);
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        T::get(value, shelves).map(Box::new)
    }
}

impl<T: Fields> Fields for Box<T> {
    fn put_fields(&self, out: &mut Out<'_>) {
        T::put_fields(self, out);
    }

    fn get_fields(object: &mut Object, shelves: &mut Shelves) -> Result<Self, Fault> {
        T::get_fields(object, shelves).map(Box::new)
    }
}

impl<T: Fields> Fields for Arc<T> {
    fn put_fields(&self, out: &mut Out<'_>) {
        T::put_fields(self, out);
    }

    fn get_fields(object: &mut Object, shelves: &mut Shelves) -> Result<Self, Fault> {
        T::get_fields(object, shelves).map(Arc::new)
    }
}

impl<A: Plain, B: Plain> Plain for (A, B) {
    fn put(&self, out: &mut Out<'_>) {
        out.push("[");
        self.0.put(out);
        out.push(",");
        self.1.put(out);
        out.push("]");
    }

    fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
        let Value::Array(values) = value else { return Err(Fault::new("not a pair")) };
        let [first, second] = <[Value; 2]>::try_from(values).map_err(|_| Fault::new("not a pair"))?;
        Ok((A::get(first, shelves)?, B::get(second, shelves)?))
    }
}

/// The name of a field in JSON: its own, or the one beside it.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// Structs, with all their fields. A field after `..` is an object whose entries stand among those of the others.
macro_rules! structs {
    ($($name:ident { $($field:ident $($key:literal)?,)* $(..$flat:ident,)* })*) => { $(
        impl Fields for $name {
            fn put_fields(&self, out: &mut Out<'_>) {
                let $name { $($field,)* $($flat,)* } = self;
                $(out.entry(key!($field $($key)?), $field);)*
                $($flat.put_fields(out);)*
            }

            fn get_fields(object: &mut Object, shelves: &mut Shelves) -> Result<Self, Fault> {
                Ok($name {
                    $($field: take(object, key!($field $($key)?), shelves)?,)*
                    $($flat: Fields::get_fields(object, shelves)?,)*
                })
            }
        }

        impl Plain for $name {
            fn put(&self, out: &mut Out<'_>) {
                out.object(|out| self.put_fields(out));
            }

            fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
                Fields::get_fields(&mut object(value)?, shelves)
            }
        }
    )* };
}

/// Enums, with all their variants and these with all their parts. A part in brackets is an object, whose entries are those of the
/// variant.
macro_rules! variants {
    ($($name:ident { $($variant:ident $([$inner:ident])? $(($($item:ident $($item_key:literal)?),*))?
        $({ $($field:ident $($key:literal)?),* })? = $tag:literal,)* })*) => { $(
        impl Variants for $name {
            fn tag(&self) -> &'static str {
                match self {
                    $($name::$variant { .. } => $tag,)*
                }
            }

            fn put_fields(&self, out: &mut Out<'_>) {
                let _ = &out;
                match self {
                    $($name::$variant $(($inner))? $(($($item),*))? $({ $($field),* })? => {
                        $($inner.put_fields(out);)?
                        $($(out.entry(key!($item $($item_key)?), $item);)*)?
                        $($(out.entry(key!($field $($key)?), $field);)*)?
                    })*
                }
            }

            fn from_tag(tag: &str, object: &mut Object, shelves: &mut Shelves) -> Result<Option<Self>, Fault> {
                let _ = (&object, &shelves);
                Ok(Some(match tag {
                    $($tag => $name::$variant
                        $(({ let $inner = Fields::get_fields(object, shelves)?; $inner }))?
                        $(($(take(object, key!($item $($item_key)?), shelves)?),*))?
                        $({ $($field: take(object, key!($field $($key)?), shelves)?),* })?,)*
                    _ => return Ok(None),
                }))
            }
        }
    )* };
}

/// Enums that are values.
macro_rules! plain_variants {
    ($($name:ident)*) => { $(
        impl Plain for $name {
            fn put(&self, out: &mut Out<'_>) {
                put_variant(self, out);
            }

            fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
                get_variant(value, shelves)
            }
        }
    )* };
}

/// Values by their names.
macro_rules! names {
    ($($name:ident)*) => { $(
        impl Plain for $name {
            fn put(&self, out: &mut Out<'_>) {
                out.text(self.name());
            }

            fn get(value: Value, _: &mut Shelves) -> Result<Self, Fault> {
                let known = value.as_str().and_then(|name| $name::ALL.iter().find(|known| known.name() == name));
                known.copied().ok_or(Fault::new("an unknown name"))
            }
        }
    )* };
}

/// Values that are made of another: how to that, and from it.
macro_rules! converted {
    ($($name:ty: $other:ty, $to:expr, $from:expr;)*) => { $(
        impl Plain for $name {
            fn put(&self, out: &mut Out<'_>) {
                let to: fn(&$name) -> $other = $to;
                to(self).put(out);
            }

            fn get(value: Value, shelves: &mut Shelves) -> Result<Self, Fault> {
                let from: fn($other) -> Option<$name> = $from;
                from(<$other>::get(value, shelves)?).ok_or(Fault::new("out of range"))
            }
        }
    )* };
}

pub(super) use {converted, key, names, plain_variants, structs, variants};
