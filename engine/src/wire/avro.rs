//! Avro's binary form, as much of it as the project's records need.

/// Takes values off the front of an Avro body. Every method gives `None` where the body says something else.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begin with a body.
    pub fn new(body: &'a [u8]) -> Self {
        Reader { rest: body }
    }

    /// Whether all of the body is taken.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes that are left.
    #[inline]
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// So many bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// A long: zigzag, 7 bits a byte, at most 64 bits.
    #[inline]
    pub fn long(&mut self) -> Option<i64> {
        let mut number: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(((number >> 1) as i64) ^ -((number & 1) as i64));
            }
        }
        None
    }

    /// A double.
    #[inline]
    pub fn double(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// A boolean.
    #[inline]
    pub fn boolean(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// A text.
    #[inline]
    pub fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.long()?).ok()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// What `read` reads, or null.
    #[inline]
    pub fn optional<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.long()? {
            0 => Some(None),
            1 => Some(Some(read(self)?)),
            _ => None,
        }
    }

    /// An array of longs, given to `take` one by one; at most `most` of them.
    pub fn longs(&mut self, most: usize, mut take: impl FnMut(i64)) -> Option<()> {
        let mut left = most;
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Some(());
            }
            if count < 0 {
                self.long()?; // the size of the block in bytes
                count = count.checked_neg()?;
            }
            let count = usize::try_from(count).ok()?;
            left = left.checked_sub(count)?;
            for _ in 0..count {
                take(self.long()?);
            }
        }
    }
}

/// Puts values behind one another into Avro bodies.
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Go on behind what `out` holds.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Writer { out }
    }

    /// A long.
    #[inline]
    pub fn long(&mut self, value: i64) {
        let mut number = ((value << 1) ^ (value >> 63)) as u64;
        while number >= 0x80 {
            self.out.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.out.push(number as u8);
    }

    /// A double.
    #[inline]
    pub fn double(&mut self, value: f64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// A boolean.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    /// A text.
    #[inline]
    pub fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    /// Bytes, behind their length.
    #[inline]
    pub fn bytes(&mut self, value: &[u8]) {
        self.long(value.len() as i64);
        self.out.extend_from_slice(value);
    }

    /// The null of a union of null and something else.
    #[inline]
    pub fn null(&mut self) {
        self.out.push(0);
    }

    /// What `write` writes, or null.
    #[inline]
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        match value {
            None => self.null(),
            Some(value) => {
                self.out.push(2);
                write(self, value);
            }
        }
    }

    /// An array of longs, those of the second list behind those of the first, in one block.
    #[inline]
    pub fn longs(&mut self, first: &[i64], second: &[i64]) {
        let count = first.len() + second.len();
        if count != 0 {
            self.long(count as i64);
            for value in first.iter().chain(second) {
                self.long(*value);
            }
        }
        self.out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_come_back() {
        for value in [0, -1, 1, 63, 64, -64, -65, i64::MAX, i64::MIN] {
            let mut body = Vec::new();
            Writer::new(&mut body).long(value);
            let mut reader = Reader::new(&body);
            assert_eq!(reader.long(), Some(value));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_long_of_more_than_64_bits_is_none() {
        assert_eq!(Reader::new(&[0xff; 10]).long(), None);
        let mut over = [0x80; 10];
        over[9] = 0x02;
        assert_eq!(Reader::new(&over).long(), None);
    }

    #[test]
    fn what_is_cut_off_is_none() {
        let mut body = Vec::new();
        Writer::new(&mut body).text("journey");
        for end in 0..body.len() {
            assert_eq!(Reader::new(&body[..end]).text(), None);
        }
    }

    #[test]
    fn arrays_come_back_and_have_an_end() {
        for values in [&[][..], &[5, -7, i64::MAX]] {
            let mut body = Vec::new();
            let (first, second) = values.split_at(values.len() / 2);
            Writer::new(&mut body).longs(first, second);
            let mut found = Vec::new();
            assert_eq!(Reader::new(&body).longs(3, |value| found.push(value)), Some(()));
            assert_eq!(found, values);
        }
        let mut body = Vec::new();
        Writer::new(&mut body).longs(&[1, 2, 3], &[]);
        assert_eq!(Reader::new(&body).longs(2, |_| ()), None);
    }
}
