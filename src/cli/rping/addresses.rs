//! `--all-addresses` and `--re-resolve`: the addresses of names as targets.

use std::ops::Range;
use std::sync::Arc;

use crate::channel::OpenedLanes;
use crate::channel::Plan;
use crate::cli::drive::{Addresses, Question};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::names::Names;
use crate::cli::rping::method::TypedTarget;
use crate::cli::rping::run::{Rping, local_choice};
use crate::cli::target::{Aim, Lanes};
use crate::ping::{Event, MOST_ADDRESSES, Resolve, ResolvedName};
use crate::report::escape;
use crate::types::Family;

/// Targets, and which of them belong to each word.
pub(super) struct Spread<'a> {
    pub(super) asked: Vec<TypedTarget<'a>>,
    words: Vec<(Aim<'a>, Range<usize>)>,
}

impl Rping<'_> {
    /// Whether a name may have several targets.
    pub(super) fn may_spread(&self) -> bool {
        self.args.socket.all_addresses || self.args.socket.re_resolve.is_some()
    }

    /// What was asked for, a target for each address where that is wanted.
    pub(super) fn spread<'a>(&self, asked: Vec<TypedTarget<'a>>, names: &Names, env: &mut Env<'_>) -> Spread<'a> {
        let mut spread = Spread { asked: Vec::with_capacity(asked.len()), words: Vec::new() };
        for one in asked {
            let TypedTarget::Internet(aim) = one else {
                spread.asked.push(one);
                continue;
            };
            let first = spread.asked.len();
            match names.get(aim.host) {
                Ok(found) if self.args.socket.all_addresses && !found.numeric => {
                    let each = |&endpoint| TypedTarget::Internet(Aim { only: Some(endpoint), ..aim });
                    spread.asked.extend(found.endpoints.iter().take(MOST_ADDRESSES).map(each));
                    let (count, name) = (found.endpoints.len(), escape(aim.host));
                    if count > MOST_ADDRESSES {
                        let program = self.program;
                        let _ = writeln!(
                            env.stderr,
                            "{program}: {name} has {count} addresses: the first {MOST_ADDRESSES} are probed"
                        );
                    }
                }
                _ => spread.asked.push(one),
            }
            if !names.get(aim.host).is_ok_and(|found| found.numeric) {
                spread.words.push((aim, first..spread.asked.len()));
            }
        }
        spread
    }

    /// How names are looked up again, if they are.
    ///
    /// # Errors
    /// If there is no name.
    pub(super) fn resolve(
        &self,
        spread: &Spread<'_>,
        opened: &OpenedLanes,
        plan: &Plan,
    ) -> Result<Option<Resolve>, CliError> {
        let Some(every) = self.args.socket.re_resolve else { return Ok(None) };
        if spread.words.is_empty() {
            return Err(CliError::Refused("--re-resolve: no target is a name".to_owned()));
        }
        let lanes = Lanes::of(opened, &plan.lanes, |plan| local_choice(plan).is_none());
        let lane = |family| lanes.get(family).ok().map(|lane| (family, lane.id, Arc::clone(&lane.profile)));
        let name = |(aim, targets): &(Aim<'_>, Range<usize>)| ResolvedName {
            host: aim.host.into(),
            port: aim.port,
            targets: targets.clone(),
        };
        Ok(Some(Resolve {
            every,
            all: self.args.socket.all_addresses,
            family: self.args.socket.family.forced(),
            lanes: [Family::V4, Family::V6].into_iter().filter_map(lane).collect(),
            names: spread.words.iter().map(name).collect(),
        }))
    }

    /// Where names are looked up again, if they are.
    pub(super) fn addresses(&self, opened: &mut OpenedLanes) -> Option<Addresses<Event>> {
        self.args.socket.re_resolve?;
        let lookup = std::mem::replace(&mut opened.addresses, Box::new(|_, _| None));
        Some(Addresses { lookup, asked })
    }
}

fn asked(event: &Event) -> Question<'_> {
    if let Event::AddressWanted { name, family } = event { Some((name, *family)) } else { None }
}
