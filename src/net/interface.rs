//! Owns the list of network interfaces, as this process's network namespace has them.
//!
//! Asks the kernel by `getifaddrs` and not `/sys/class/net`, which shows the namespace that
//! mounted it.

use std::ffi::CStr;
use std::net::Ipv4Addr;
use std::{io, ptr};

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    /// The kernel's number of it, never 0.
    pub(super) index: u32,
    pub(super) addresses: Vec<Ipv4Addr>,
}

/// Returns the interfaces.
pub(super) fn all() -> io::Result<Vec<Interface>> {
    let mut head = ptr::null_mut();
    // SAFETY: asks for a place to put the list's head, which outlives the call.
    if unsafe { libc::getifaddrs(&raw mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found: Vec<Interface> = Vec::new();
    let mut next = head;
    // SAFETY: `next` is null or an entry of the list, which lives and stays unchanged until
    // `freeifaddrs` below; nothing keeps the reference longer.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: every entry has a name that ends with a zero, with the list's lifetime.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) };
        // SAFETY: asks for a string that ends with a zero.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        // 0: the interface went away since the list was made.
        if index == 0 {
            continue;
        }
        let name = name.to_string_lossy().into_owned();
        let place = found.iter().position(|interface| interface.index == index);
        let place = place.unwrap_or_else(|| {
            found.push(Interface {
                name,
                index,
                addresses: Vec::new(),
            });
            found.len() - 1
        });
        found[place].addresses.extend(ipv4(entry.ifa_addr));
    }
    // SAFETY: `head` came from `getifaddrs`, and nothing refers to the list any more.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

/// Returns the address if it is one of IPv4. `address` is null or points to what its family says.
fn ipv4(address: *const libc::sockaddr) -> Option<Ipv4Addr> {
    // SAFETY: null, or an address of `getifaddrs`, which begins with its family.
    let family = unsafe { address.as_ref() }?.sa_family;
    if i32::from(family) != libc::AF_INET {
        return None;
    }
    // SAFETY: not null, and with this family it is a `sockaddr_in`; alignment is not assumed.
    let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
    Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)))
}

/// Finds an interface by its name, or by one of its addresses.
pub(super) fn find<'a>(interfaces: &'a [Interface], text: &str) -> Option<&'a Interface> {
    match text.parse::<Ipv4Addr>() {
        Ok(address) => interfaces.iter().find(|i| i.addresses.contains(&address)),
        Err(_) => interfaces.iter().find(|i| i.name == text),
    }
}

/// Writes the interfaces for an error: `eth0 (10.0.0.2), lo (127.0.0.1)`.
pub(super) fn list(interfaces: &[Interface]) -> String {
    let one = |interface: &Interface| {
        let addresses: Vec<String> = interface
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        match addresses.is_empty() {
            true => interface.name.clone(),
            false => format!("{} ({})", interface.name, addresses.join(", ")),
        }
    };
    let mut all: Vec<String> = interfaces.iter().map(one).collect();
    all.sort();
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_found_by_name_and_by_address() {
        let interfaces = all().unwrap();
        let by_name = find(&interfaces, "lo").unwrap();
        assert_eq!(find(&interfaces, "127.0.0.1"), Some(by_name));
        assert!(
            list(&interfaces).contains("lo (127.0.0.1"),
            "{}",
            list(&interfaces)
        );
        assert_eq!(find(&interfaces, "no such interface"), None);
        assert_eq!(find(&interfaces, "192.0.2.1"), None);
    }
}
