//! What `--contrast` compares.

use super::values;
use crate::ping::contrast::Varied;
use crate::types::Family;

/// `--contrast`: what is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Methods.
    Methods,
    /// Values of one thing, at least two, all of one kind and no two the same.
    Values(Vec<Varied>),
}

/// The most values that are compared.
const MOST_VALUES: usize = 16;

/// `--contrast`.
pub fn contrast(text: &str) -> Result<Compared, String> {
    if text == "methods" {
        return Ok(Compared::Methods);
    }
    let (key, values) = text.split_once('=').unwrap_or((text, ""));
    let read: fn(&str) -> Result<Varied, String> = match key {
        "dscp" => |text| values::dscp(text).map(Varied::Dscp),
        "size" => |text| values::payload_octets(text).map(Varied::Size),
        "port" => |text| values::port(text).map(|port| Varied::Port(port.get())),
        "family" => |text| match text {
            "4" | "ipv4" => Ok(Varied::Family(Family::V4)),
            "6" | "ipv6" => Ok(Varied::Family(Family::V6)),
            _ => Err("must be 4 or 6".to_owned()),
        },
        _ => return Err("must be methods, or one of dscp=, size=, family= and port= with values to compare".to_owned()),
    };
    let mut read_values = Vec::new();
    for value in values.split(',') {
        let value = read(value).map_err(|why| format!("'{value}': {why}"))?;
        if read_values.contains(&value) {
            return Err(format!("{value} stands there twice"));
        }
        read_values.push(value);
    }
    match read_values.len() {
        0 | 1 => Err(format!("must be at least two values, as in {key}=A,B")),
        2..=MOST_VALUES => Ok(Compared::Values(read_values)),
        _ => Err(format!("must be at most {MOST_VALUES} values")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_two_values_of_one_thing_are_compared() {
        let (v4, v6) = (Varied::Family(Family::V4), Varied::Family(Family::V6));
        assert_eq!(contrast("methods"), Ok(Compared::Methods));
        assert_eq!(contrast("size=56,1472"), Ok(Compared::Values(vec![Varied::Size(56), Varied::Size(1472)])));
        assert_eq!(contrast("family=6,ipv4"), Ok(Compared::Values(vec![v6, v4])));
        for (text, why) in [
            ("ttl=1,2", "must be methods, or one of dscp=, size=, family= and port= with values to compare"),
            ("dscp", "'': must be a whole number from 0 to 63, or a name such as ef, af41, cs6, le"),
            ("dscp=ef", "must be at least two values, as in dscp=A,B"),
            ("dscp=ef,46", "ef stands there twice"),
            ("family=4,5", "'5': must be 4 or 6"),
            ("port=80,0", "'0': out of range: 1 <= value <= 65535"),
        ] {
            assert_eq!(contrast(text), Err(why.to_owned()), "{text}");
        }
        let ports: Vec<String> = (1..=17).map(|port| port.to_string()).collect();
        assert_eq!(contrast(&format!("port={}", ports.join(","))), Err("must be at most 16 values".to_owned()));
    }
}
