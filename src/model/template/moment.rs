//! Days and times of day as items of a template have them: those of RFC 3339
//! that compare without a calendar at hand.

/// Parses `2025-01-08` (RFC 3339 §5.6, `full-date`): the day as a number that
/// sorts as days do. `None` of days that are in no calendar.
pub(super) fn date(text: &str) -> Option<u32> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    (1..=last)
        .contains(&day)
        .then_some((year * 100 + month) * 100 + day)
}

/// Parses `2025-01-08T16:30:00+08:00` (RFC 3339 §5.6, `date-time`) with a
/// capital T and Z, at most nine digits of a second, and without leap seconds:
/// nanoseconds since 0000-03-01T00:00:00Z.
pub(super) fn date_time(text: &str) -> Option<i128> {
    let (day, rest) = text.split_once('T')?;
    let days = days_since_march_of_0(date(day)?);
    let at = rest.find(['Z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(at)?;
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, nanos(fraction)?),
        None => (time, 0),
    };
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let secs = i128::from(days) * 86_400
        + i128::from(hour * 3600 + minute * 60 + second)
        + i128::from(-offset_secs(zone)?);
    Some(secs * 1_000_000_000 + i128::from(fraction))
}

/// Seconds by which the clocks of `zone` (`Z`, `+08:00`) are ahead of UTC.
fn offset_secs(zone: &str) -> Option<i32> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let [hour, minute] = numbers(zone.get(1..)?, ':', [2, 2])?;
    if hour > 23 || minute > 59 {
        return None;
    }
    Some(sign * i32::try_from(hour * 3600 + minute * 60).ok()?)
}

/// The digits behind a second's point, as nanoseconds.
fn nanos(fraction: &str) -> Option<u32> {
    let sound = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| format!("{fraction:0<9}").parse().ok())?
}

/// Days from 0000-03-01 to a day of [`date`]; years begin in March, so that leap
/// days come last.
fn days_since_march_of_0(date: u32) -> i64 {
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    let (year, month) = if month > 2 {
        (i64::from(year), month - 3)
    } else {
        (i64::from(year) - 1, month + 9)
    };
    let of_year = i64::from((153 * month + 2) / 5 + day - 1);
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
}

/// The numbers of `text`, `separator` between them, each of so many digits.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(separator);
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_days_of_the_calendar() {
        assert_eq!(date("2025-01-08"), Some(20_250_108));
        assert!(date("2024-02-29").is_some() && date("2000-02-29").is_some());
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2025-04-31",
            "2025-13-01",
            "2025-00-01",
            "2025-01-00",
            "2025-1-8",
            "20250108",
            "2025-01-08 ",
            "2025-01-08-01",
            "２025-01-08",
            "",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    #[test]
    fn compares_times_across_zones() {
        let at = |text| date_time(text).expect(text);
        assert_eq!(at("2025-01-08T00:30:00+08:00"), at("2025-01-07T16:30:00Z"));
        assert_eq!(
            at("2024-02-29T23:59:59.5Z") + 500_000_000,
            at("2024-03-01T00:00:00Z")
        );
        assert_eq!(
            at("1970-01-01T00:00:00Z") + 86_400_000_000_000,
            at("1970-01-02T00:00:00.000Z")
        );
        assert!(at("0000-01-01T00:00:00+00:00") < at("0000-03-01T00:00:00Z"));
        assert!(at("9999-12-31T23:59:59Z") < at("9999-12-31T23:59:59-12:00"));
        for text in [
            "2025-01-08",
            "2025-01-08T16:30",
            "2025-01-08t16:30:00Z",
            "2025-01-08T16:30:00",
            "2025-01-08T16:30:60Z",
            "2025-01-08T24:00:00Z",
            "2025-01-08T16:30:00.Z",
            "2025-01-08T16:30:00.1234567890Z",
            "2025-01-08T16:30:00+8:00",
            "2025-01-08T16:30:00+24:00",
            "2025-01-08T16:30:00Zz",
            "2025-02-30T16:30:00Z",
        ] {
            assert_eq!(date_time(text), None, "{text}");
        }
    }
}
