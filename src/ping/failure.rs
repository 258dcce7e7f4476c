//! Why the newest probes of a series have no reply, where that is known: [`Failure`].

use std::sync::Arc;

use crate::engine::outcome::{Outcome, ProbeEvent, Standing};

/// After this many more probes without any answer it says nothing about them: hosts and routers limit how often they say it.
const SPEAKS_FOR: u64 = 10;

/// The newest probe that was refused, unreachable or not sent, until a later one is answered.
#[derive(Clone, Debug, Default)]
pub struct Failure(Option<Arc<ProbeEvent>>);

impl Failure {
    /// Takes the next event.
    pub fn take(&mut self, event: &ProbeEvent) {
        let first = event.standing == Standing::First;
        match &event.outcome {
            Outcome::Reply(_) if first => drop(self.0.take_if(|known| known.id <= event.id)),
            Outcome::Timeout(_) => drop(self.0.take_if(|known| known.id.get() + SPEAKS_FOR < event.id.get())),
            _ if is_failure(event) && self.0.as_ref().is_none_or(|known| known.id <= event.id) => {
                self.0 = Some(Arc::new(event.clone()));
            }
            _ => {}
        }
    }

    /// Its event.
    pub fn newest(&self) -> Option<&Arc<ProbeEvent>> {
        self.0.as_ref()
    }
}

/// Whether an event says why a probe has no reply.
pub fn is_failure(event: &ProbeEvent) -> bool {
    match &event.outcome {
        Outcome::Refused(_) => event.standing == Standing::First,
        Outcome::Error(error) => event.standing == Standing::First && !error.kind.is_advice(),
        Outcome::NotSent(_) => true,
        Outcome::Reply(_) | Outcome::Timeout(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::OsError;
    use crate::engine::outcome::{Detail, IcmpError, MethodKind, NotSent, Refusal, Reply, Silence, Subject, SubjectId};
    use crate::engine::{Destination, Target};
    use crate::types::{ProbeId, WallTime};

    fn newest(outcomes: Vec<Outcome>) -> Option<u64> {
        let (destination, name) = (Destination::Unresolved, "192.0.2.1".into());
        let target = Target { target: "192.0.2.1".into(), name, numeric: true, zone: None, destination };
        let subject = Arc::new(Subject::new(SubjectId::new(0), &target, MethodKind::Icmp, Arc::default()));
        let mut failure = Failure::default();
        for (at, outcome) in outcomes.into_iter().enumerate() {
            let id = ProbeId::new(at as u64 + 1);
            failure.take(&ProbeEvent::new(&subject, id, WallTime::from_nanos(1), outcome));
        }
        failure.newest().map(|event| event.id.get())
    }

    #[test]
    fn the_newest_reason_stands_until_an_answer_and_for_a_few_silent_probes() {
        let error = || Outcome::Error(Box::new(IcmpError::host_unreachable()));
        let silence = || Outcome::Timeout(Silence::NoAnswer);
        let reply = Outcome::Reply(Reply::new(64, Detail::Datagram));
        let not_sent = Outcome::NotSent(NotSent { error: OsError::ENETUNREACH, mtu: None, reported: 1 });
        assert_eq!(newest(vec![silence()]), None);
        assert_eq!(newest(vec![Outcome::Refused(Refusal::Reset), error(), not_sent]), Some(3));
        assert_eq!(newest(vec![error(), silence(), silence()]), Some(1));
        assert_eq!(newest([vec![error()], vec![silence(); 11]].concat()), None);
        assert_eq!(newest(vec![error(), reply.clone(), silence()]), None);
        assert_eq!(newest(vec![reply, error()]), Some(2));
    }
}
