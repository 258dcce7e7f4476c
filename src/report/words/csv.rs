//! Records of CSV (RFC 4180): [`record`], and [`text`] for a field.

use std::io::{self, Write};
use std::net::IpAddr;

use crate::engine::outcome::Subject;
use crate::metrics::DelayFigures;
use crate::report::escape;
use crate::report::words::zone::Zone;

/// Writes one record: fields with commas, quotes or line breaks between quotes, absent ones empty, a line feed at the end.
///
/// # Errors
/// The writer's.
pub(in crate::report) fn record(
    fields: impl IntoIterator<Item = Option<String>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let fields: Vec<String> = fields.into_iter().map(|field| quoted(field.unwrap_or_default())).collect();
    writeln!(out, "{}", fields.join(","))
}

/// The text of a field; an absent value is an empty field.
pub(in crate::report) fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// An address, with the zone that it has.
pub(in crate::report) fn address(address: Option<IpAddr>, zone: Option<&str>) -> Option<String> {
    let address = address?;
    Some(zone.map_or_else(|| address.to_string(), |zone| format!("{address}%{}", escape(zone))))
}

/// The address of one that answered a probe to `subject`, with its zone where it means something only there.
pub(in crate::report) fn responder(subject: &Subject, address: Option<IpAddr>) -> Option<String> {
    address.map(|address| format!("{address}{}", Zone { subject, address }))
}

/// The fields of `min_ms,mean_ms,median_ms,p95_ms,max_ms,stddev_ms`.
pub(in crate::report) fn delays(figures: Option<DelayFigures>) -> [Option<String>; 6] {
    let figures = figures.unwrap_or_default();
    let value = |name| figures.iter().find(|(known, _)| *known == name).and_then(|(_, value)| *value);
    ["min", "mean", "median", "p95", "max", "stddev"].map(|name| text(value(name)))
}

fn quoted(field: String) -> String {
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_responder_has_its_zone_where_it_means_something_only_there() {
        let subject = Subject { zone: Some("eth0".into()), ..fixture::subject("fe80::9%eth0", "fe80::9") };
        for (address, shown) in
            [("fe80::9", "fe80::9%eth0"), ("2001:db8::1", "2001:db8::1"), ("192.0.2.1", "192.0.2.1")]
        {
            assert_eq!(responder(&subject, Some(fixture::address(address))).as_deref(), Some(shown));
        }
    }

    #[test]
    fn fields_are_quoted_only_where_that_is_needed() {
        let fields = ["plain", "a,b", "say \"x\"", "two\nlines"].map(|field| Some(field.to_owned()));
        let mut out = Vec::new();
        record(fields.into_iter().chain([None]), &mut out).expect("a Vec takes everything");
        assert_eq!(String::from_utf8_lossy(&out), "plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",\n");
    }
}
