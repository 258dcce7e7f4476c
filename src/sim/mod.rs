//! A network in virtual time that implements [`crate::channel::Channel`], for tests.
