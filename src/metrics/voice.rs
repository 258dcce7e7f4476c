//! How a call would sound over a path: [`Voice`], by the E-model (ITU-T G.107) with its default values.

use crate::types::named;

named! {
    /// How the speech would be coded.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Codec {
        /// G.711 with packet loss concealment.
        G711 = "g711",
        /// G.729 annex A.
        G729a = "g729a",
    }
}

impl Codec {
    /// Milliseconds from the microphone to the packet.
    pub const fn delay_ms(self) -> f64 {
        match self {
            Codec::G711 => 10.0,
            Codec::G729a => 25.0,
        }
    }

    /// Its impairment without loss, and how well it bears random loss (Ie and Bpl, ITU-T G.113).
    const fn impairment(self) -> (f64, f64) {
        match self {
            Codec::G711 => (0.0, 25.1),
            Codec::G729a => (11.0, 19.0),
        }
    }
}

/// An estimate of how a call would sound. It says nothing without its codec.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice {
    /// The codec of the call.
    pub codec: Codec,
    /// The rating factor, at most 93.2; `None` if nothing was heard.
    pub r: Option<f64>,
}

impl Voice {
    /// The estimate from the delay between mouth and ear in milliseconds, the loss in percent, and how many times longer runs of
    /// lost packets are than if packets were lost at random, 1 at least.
    pub fn heard(codec: Codec, delay_ms: f64, loss_pct: f64, burst_ratio: f64) -> Self {
        /// Above this delay talkers begin to wait for each other.
        const INTERACTIVE_MS: f64 = 177.3;
        let (impairment, robustness) = codec.impairment();
        let of_delay = 0.024 * delay_ms + 0.11 * (delay_ms - INTERACTIVE_MS).max(0.0);
        let of_loss = (95.0 - impairment) * loss_pct / (loss_pct / burst_ratio.max(1.0) + robustness);
        Voice { codec, r: Some(93.2 - of_delay - impairment - of_loss) }
    }

    /// The mean opinion score that the rating stands for, 1 (bad) to 4.5.
    pub fn mos(&self) -> Option<f64> {
        let score = |r: f64| match r {
            r if r < 0.0 => 1.0,
            r if r > 100.0 => 4.5,
            r => 1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r),
        };
        self.r.map(score)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_and_scores_are_those_of_the_e_model() {
        use Codec::{G711, G729a};
        for (codec, delay, loss, burst, r, mos) in [
            (G711, 20.0, 0.0, 1.0, "92.72", "4.40"),
            (G711, 100.0, 1.0, 1.0, "87.16", "4.26"),
            (G711, 100.0, 3.0, 2.0, "80.09", "4.03"),
            (G711, 200.0, 1.0, 1.0, "82.26", "4.11"),
            (G711, 300.0, 5.0, 1.0, "56.72", "2.93"),
            (G711, 20.0, 20.0, 1.0, "50.59", "2.61"),
            (G729a, 100.0, 0.0, 1.0, "79.80", "4.02"),
            (G729a, 100.0, 3.0, 1.0, "68.35", "3.52"),
            (G729a, 300.0, 5.0, 1.0, "44.00", "2.26"),
        ] {
            let voice = Voice::heard(codec, delay, loss, burst);
            let found = voice.r.zip(voice.mos()).map(|(r, mos)| (format!("{r:.2}"), format!("{mos:.2}")));
            assert_eq!(found, Some((r.to_owned(), mos.to_owned())), "{codec:?} {delay} {loss} {burst}");
        }
    }

    #[test]
    fn a_path_that_is_too_long_sounds_bad_and_no_worse() {
        assert_eq!(Voice::heard(Codec::G711, 5_000.0, 50.0, 1.0).mos(), Some(1.0));
        assert_eq!(Voice { codec: Codec::G711, r: None }.mos(), None);
    }
}
