//! Numbers as C programs print them, because scripts expect them.

use std::fmt::{self, Write};

use crate::types::{Rtt, write_millis};

/// A value as C's `%g` prints it: six significant digits, no trailing zeros, an exponent below 1e-4 and from 1e6 on
/// (ISO C 7.21.6.1).
pub(in crate::report) struct General(pub f64);

impl fmt::Display for General {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        // Almost all values are whole numbers of percent.
        if (0.0..=100.0).contains(&value) && value.fract() == 0.0 && value.is_sign_positive() {
            return (value as u8).fmt(f);
        }
        let scientific = format!("{value:.5e}");
        // Infinities and NaN have no exponent, and are spelled as C spells them but for NaN's case.
        let Some((mantissa, exponent)) = scientific.split_once('e') else {
            return f.write_str(&scientific.to_ascii_lowercase());
        };
        let exponent: i32 = exponent.parse().unwrap_or_default();
        match usize::try_from(5 - exponent) {
            Ok(decimals) if exponent >= -4 => f.write_str(without_trailing_zeros(&format!("{value:.decimals$}"))),
            _ => {
                let sign = if exponent < 0 { '-' } else { '+' };
                write!(f, "{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.unsigned_abs())
            }
        }
    }
}

/// Appends a whole number. Of one digit, by hand: that takes a tenth of the time, and most counts of a sweep have no more.
pub(in crate::report) fn push_count(line: &mut String, count: u64) {
    match u8::try_from(count) {
        Ok(digit @ 0..10) => line.push(char::from(b'0' + digit)),
        // A string takes everything.
        _ => _ = write!(line, "{count}"),
    }
}

fn without_trailing_zeros(decimal: &str) -> &str {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.') } else { decimal }
}

/// A delay as ping prints it after `time=`: three decimals below 1 ms, two below 9.995 ms, one below 99.95 ms, else none.
pub(in crate::report) struct PingTime(pub Rtt);

impl fmt::Display for PingTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos < 999_500 {
            write_millis(f, nanos, 3)
        } else if nanos < 9_995_000 {
            write_millis(f, nanos, 2)
        } else if nanos < 99_950_000 {
            write_millis(f, nanos, 1)
        } else {
            write_millis(f, nanos, 0)
        }
    }
}

/// Nanoseconds as milliseconds with three decimals.
pub(in crate::report) struct Millis(pub u64);

impl Millis {
    /// Of a mean or a deviation, in nanoseconds.
    pub(in crate::report) fn of(nanos: f64) -> Self {
        Millis(nanos.round() as u64)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_millis(f, self.0, 3)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_look_as_in_c() {
        let known = [
            (0.0, "0"),
            (100.0, "100"),
            (50.0, "50"),
            (f64::from(100.0f32 / 3.0), "33.3333"),
            (200.0 / 3.0, "66.6667"),
            (12.5, "12.5"),
            (0.1, "0.1"),
            (99.99999, "100"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (0.000_012_345_67, "1.23457e-05"),
            (999_999.0, "999999"),
            (999_999.5, "1e+06"),
            (1e6, "1e+06"),
            (1.5e100, "1.5e+100"),
            (-0.5, "-0.5"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ];
        for (value, expected) in known {
            assert_eq!(General(value).to_string(), expected);
        }
    }

    #[test]
    fn a_tie_goes_to_the_even_digit_as_in_glibc() {
        assert_eq!(General(100_000.5).to_string(), "100000");
        assert_eq!(General(100_001.5).to_string(), "100002");
        assert_eq!(General(0.5).to_string(), "0.5");
    }

    #[test]
    fn time_loses_a_digit_at_pings_borders() {
        let known = [
            (0, "0.000"),
            (23_000, "0.023"),
            (999_000, "0.999"),
            (999_499, "0.999"),
            (999_500, "1.00"),
            (1_000_000, "1.00"),
            (1_234_000, "1.23"),
            (1_235_000, "1.24"),
            (9_994_000, "9.99"),
            (9_995_000, "10.0"),
            (12_340_000, "12.3"),
            (12_350_000, "12.4"),
            (99_949_000, "99.9"),
            (99_950_000, "100"),
            (123_499_999, "123"),
            (123_500_000, "124"),
            (12_345_678_900, "12346"),
        ];
        for (nanos, expected) in known {
            assert_eq!(PingTime(Rtt::from_nanos(nanos)).to_string(), expected);
        }
    }

    #[test]
    fn millis_always_have_three_decimals() {
        assert_eq!(Millis(0).to_string(), "0.000");
        assert_eq!(Millis(1_234_567_890).to_string(), "1234.568");
        assert_eq!(Millis::of(36_666.7).to_string(), "0.037");
        assert_eq!(Millis(u64::MAX).to_string(), "18446744073709.552");
    }

    proptest! {
        #[test]
        fn a_count_is_appended_as_the_standard_library_writes_it(count in prop_oneof![0..200_u64, any::<u64>()]) {
            let mut line = "+".to_owned();
            push_count(&mut line, count);
            prop_assert_eq!(line, format!("+{count}"));
        }

        #[test]
        fn general_keeps_six_significant_digits(value in prop::num::f64::NORMAL) {
            let printed = General(value).to_string();
            let back: f64 = printed.parse().expect("a number");
            prop_assert!((back - value).abs() <= value.abs() * 5.000_001e-6, "{printed} for {value}");
            let digits: String = printed.split('e').next().unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
            let significant = digits.trim_start_matches('0');
            prop_assert!(significant.len() <= 6, "{printed}");
            prop_assert!(!printed.contains('.') || !printed.split('e').next().unwrap_or_default().ends_with(['0', '.']));
        }

        #[test]
        fn microseconds_follow_pings_integer_arithmetic(micros in 0u64..1_000_000_000) {
            let expected = match micros {
                99_950.. => format!("{}", (micros + 500) / 1000),
                9_995.. => format!("{}.{}", (micros + 50) / 1000, (micros + 50) % 1000 / 100),
                1_000.. => format!("{}.{:02}", (micros + 5) / 1000, (micros + 5) % 1000 / 10),
                _ => format!("{}.{:03}", micros / 1000, micros % 1000),
            };
            prop_assert_eq!(PingTime(Rtt::from_nanos(micros * 1000)).to_string(), expected);
        }
    }
}
