//! Keys and sizes by chance against a live view.

use netprobe::tui::keys::Key;
use netprobe::tui::view::overwritten;
use netprobe::tui::{View, as_text};
use netprobe::types::Now;

const KEYS: [Key; 14] = [
    Key::Up,
    Key::Down,
    Key::PageUp,
    Key::PageDown,
    Key::Home,
    Key::End,
    Key::Enter,
    Key::Esc,
    Key::Tab,
    Key::Left,
    Key::Right,
    Key::Backspace,
    Key::F1,
    Key::BackTab,
];

/// Types this many keys into `view` while these events happen, draws it in another size after each, and checks it; with
/// NETPROBE_LIVE_STEPS as many as that says, and with NETPROBE_LIVE_SEED other ones.
pub fn at_random<E: Clone, V: View<E>>(view: &mut V, events: &[(E, Now)], keys: usize, check: impl Fn(&V)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let keys = number("NETPROBE_LIVE_STEPS").map_or(keys, |steps| steps as usize);
    let mut random = fastrand::Rng::with_seed(number("NETPROBE_LIVE_SEED").unwrap_or(5));
    let (mut next, mut now) = (events.iter(), events[0].1);
    for number in 0..keys {
        // The rest as in a replay.
        if number == keys / 2 {
            view.replayed("REPLAY 1x".to_owned());
        }
        if random.u16(0..500) == 0 {
            view.begin_anew();
            next = events.iter();
        }
        if random.u8(0..3) == 0
            && let Some((event, at)) = next.next()
        {
            view.event(event.clone(), *at);
            now = *at;
        }
        let key = match random.u8(0..3) {
            0 => KEYS[random.usize(0..KEYS.len())],
            1 => Key::Ctrl(random.alphabetic().to_ascii_lowercase()),
            _ => Key::Char(char::from(random.u8(b' '..=b'~'))),
        };
        view.key(key, now);
        let size = (random.u16(1..300), random.u16(1..100));
        let small = (random.u16(1..30), random.u16(1..12));
        let size = if random.bool() { size } else { small };
        let picture = as_text(size, |screen| view.draw(now, screen));
        assert!(!picture.is_empty());
        // On the smallest screens there is no room for what goes without saying on others.
        let overwritten = overwritten();
        assert!(overwritten.is_empty() || size.0 < 30 || size.1 < 8, "{size:?} {overwritten:?}\n{picture}");
        check(view);
    }
}
