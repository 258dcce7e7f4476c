//! What rping-exporter reads: configurations, web configurations, and queries for a measurement. No file is read that one names.

#![no_main]

use std::path::Path;

use axum::extract::Query;
use libfuzzer_sys::fuzz_target;
use netprobe::exporter::config::{Config, System, describe};
use netprobe::exporter::{Request, Web};

fuzz_target!(|input: &[u8]| {
    let Some((&kind, text)) = input.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    match kind % 3 {
        0 if !text.contains("file") => configuration(text),
        1 if !text.contains("file") => drop(Web::read(Path::new("web.yml"), text).map_err(said)),
        2 => query(text),
        _ => {}
    }
});

/// A refusal says why.
fn said(why: String) {
    assert!(!why.is_empty());
}

fn read(text: &str) -> Result<Config, String> {
    Config::read(Path::new("f.yml"), text, &System { interface: &|_| None })
}

fn configuration(text: &str) {
    match read(text) {
        Ok(config) => describe(&config, &mut String::new()).expect("a String takes everything"),
        Err(why) => said(why),
    }
}

/// The first line is the query, the second the scraper's timeout.
fn query(text: &str) {
    let (query, timeout) = text.split_once('\n').map_or((text, None), |(query, timeout)| (query, Some(timeout)));
    let Ok(uri) = format!("/probe?{query}").parse() else { return };
    let Ok(Query(pairs)) = Query::<Vec<(String, String)>>::try_from_uri(&uri) else { return };
    let config = read("modules: {web: {prober: tcp}, dns: {prober: udp, udp: {service: dns}}, x: {prober: http}}")
        .expect("it holds");
    if let Some(refusal) = Request::new(&pairs, timeout.map(str::to_owned)).refusal(&config) {
        said(refusal.sentence);
    }
}
