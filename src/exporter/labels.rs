//! The labels of series: [`Labels`].

use std::fmt;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use super::config::GivenLabels;

/// Labels that series have, and those that their target was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    fixed: Vec<(&'static str, Box<str>)>,
    given: GivenLabels,
}

/// The same, borrowed.
#[derive(Debug)]
pub struct By<'a>(pub &'a Labels);

impl EncodeLabelSet for By<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        self.0.encode(encoder)
    }
}

/// The same, with one more.
#[derive(Debug)]
pub struct And<'a>(pub &'a Labels, pub &'static str, pub &'a str);

impl Labels {
    /// These labels, and those `given`.
    pub fn new(fixed: impl IntoIterator<Item = (&'static str, Box<str>)>, given: &GivenLabels) -> Self {
        Labels { fixed: fixed.into_iter().collect(), given: GivenLabels::clone(given) }
    }

    /// Only these.
    pub fn of(fixed: impl IntoIterator<Item = (&'static str, Box<str>)>) -> Self {
        Labels { fixed: fixed.into_iter().collect(), given: GivenLabels::default() }
    }

    /// The value of one that series have.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fixed.iter().find(|(known, _)| *known == name).map(|(_, value)| &**value)
    }
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        for (name, value) in &self.fixed {
            (*name, &**value).encode(encoder.encode_label())?;
        }
        let is_fixed = |name: &str| self.fixed.iter().any(|(known, _)| *known == name);
        for (name, value) in self.given.iter().filter(|(name, _)| !is_fixed(name)) {
            (&**name, &**value).encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

impl EncodeLabelSet for And<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        self.0.encode(encoder)?;
        (self.1, self.2).encode(encoder.encode_label())
    }
}
