//! The clock of a log, line by line: its steps, to ask when an instant had come.

/// Instants that share all but their last 16 bits lie in one group, so that a step takes two bytes.
const LOW_BITS: u32 = 16;
/// How far from where an instant should be it is looked for first.
const AROUND: usize = 32;
/// Groups of eight years, told by a table of 16 MiB.
const MOST_PLACES: i64 = 1 << 22;

/// Distinct values of a clock, ascending.
#[derive(Default)]
pub struct Steps {
    groups: Vec<i64>,
    begins: Vec<usize>,
    lows: Vec<u16>,
    greatest: Option<i64>,
    /// By group from the first one on, where its place or the next one's is; empty where groups lie too far apart.
    places: Vec<u32>,
}

impl Steps {
    /// Move the clock to an instant, unless it is there or further; gives whether it moved.
    #[inline]
    pub fn advance(&mut self, at: i64) -> bool {
        if self.greatest.is_some_and(|greatest| at <= greatest) {
            return false;
        }
        self.greatest = Some(at);
        let group = at >> LOW_BITS;
        if self.groups.last() != Some(&group) {
            self.groups.push(group);
            self.begins.push(self.lows.len());
        }
        self.lows.push(at as u16);
        true
    }

    /// Where the clock stands; `None` before the first line.
    #[inline]
    pub fn greatest(&self) -> Option<i64> {
        self.greatest
    }

    /// The first value of the clock that is not before an instant.
    pub fn first_from(&self, at: i64) -> Option<i64> {
        let group = at >> LOW_BITS;
        let mut place = self.place_of(group);
        if self.groups.get(place) == Some(&group) {
            let lows = self.lows_of(place);
            if let Some(low) = lows.get(first_low(lows, at as u16)) {
                return Some((group << LOW_BITS) | i64::from(*low));
            }
            place += 1;
        }
        let group = self.groups.get(place)?;
        Some((group << LOW_BITS) | i64::from(*self.lows_of(place).first()?))
    }

    /// The clock has come to its end: from now on it is only asked.
    pub fn close(&mut self) {
        let (Some(first), Some(last)) = (self.groups.first(), self.groups.last()) else {
            return;
        };
        let span = last - first + 1;
        if span > MOST_PLACES {
            return;
        }
        self.places = vec![0; span as usize];
        for (place, pair) in self.groups.windows(2).enumerate() {
            let between = (pair[0] - first + 1) as usize..=(pair[1] - first) as usize;
            self.places[between].fill(place as u32 + 1);
        }
    }

    /// The first group that is not before this one.
    #[inline]
    fn place_of(&self, group: i64) -> usize {
        match self.groups.first() {
            Some(first) if !self.places.is_empty() => {
                let place = usize::try_from(group - first).unwrap_or(0);
                self.places.get(place).map_or(self.groups.len(), |place| *place as usize)
            }
            _ => self.groups.partition_point(|known| *known < group),
        }
    }

    /// Look into memory where `first_from` will; nothing waits for what is found there.
    #[inline]
    pub fn fetch(&self, at: i64) -> u16 {
        let place = self.place_of(at >> LOW_BITS);
        let begin = self.begins.get(place).copied().unwrap_or(0);
        let end = self.begins.get(place + 1).copied().unwrap_or(begin);
        let guess = begin + ((usize::from(at as u16) * (end - begin)) >> LOW_BITS);
        self.lows.get(guess).copied().unwrap_or(0)
    }

    /// At most `count` values, ascending, behind the first `skipped`.
    pub fn values(&self, skipped: usize, count: usize) -> Vec<i64> {
        let end = (skipped + count).min(self.lows.len());
        let mut group = self.begins.partition_point(|begin| *begin <= skipped).saturating_sub(1);
        let mut values = Vec::with_capacity(count);
        for place in skipped..end {
            while self.begins.get(group + 1).is_some_and(|next| *next <= place) {
                group += 1;
            }
            values.push((self.groups[group] << LOW_BITS) | i64::from(self.lows[place]));
        }
        values
    }

    fn lows_of(&self, place: usize) -> &[u16] {
        let end = self.begins.get(place + 1).copied().unwrap_or(self.lows.len());
        &self.lows[self.begins[place]..end]
    }
}

/// Place of the first that is not before `wanted`. Lines come evenly, nearly always: so it lies about where its size
/// says, and those around there are compared all at once.
#[inline]
fn first_low(lows: &[u16], wanted: u16) -> usize {
    let guess = (usize::from(wanted) * lows.len()) >> LOW_BITS;
    let begin = guess.saturating_sub(AROUND);
    let end = (guess + AROUND).min(lows.len());
    let around = &lows[begin..end];
    let before = around.iter().map(|low| u16::from(*low < wanted));
    let before = usize::from(before.sum::<u16>());
    if (before > 0 || begin == 0) && (before < around.len() || end == lows.len()) {
        begin + before
    } else {
        lows.partition_point(|known| *known < wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_first_value_from_an_instant_on() {
        let values = [3, 10, 40, 65_535, 65_536, 65_540, 400_000, 400_001, 9_000_000_000_000];
        let mut steps = Steps::default();
        for at in values {
            assert!(steps.advance(at));
            assert!(!steps.advance(at - 1));
        }
        assert_eq!(steps.values(0, 100), values);
        assert_eq!(steps.values(2, 3), values[2..5]);
        for value in values {
            for at in value - 2..=value + 2 {
                let expected = values.into_iter().find(|known| *known >= at);
                assert_eq!(steps.first_from(at), expected, "from {at}");
            }
        }
        // Without the last value the table is short enough to be made.
        let values = &values[..8];
        let mut steps = Steps::default();
        for at in values {
            steps.advance(*at);
        }
        steps.close();
        assert!(!steps.places.is_empty());
        for at in (0..500_000).step_by(7).chain(values.iter().copied()) {
            let expected = values.iter().copied().find(|known| *known >= at);
            assert_eq!(steps.first_from(at), expected, "from {at}");
        }
    }
}
