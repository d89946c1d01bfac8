/** Subjects of relays. Relay processes publish there, and the monitoring of bridges follows them. */

/** The subject of announcements. Each process publishes one every 5 s. */
export const ANNOUNCEMENTS = '$EDGE.RELAYS.STATUS'
/** The subject of requests. Each relay process answers at once, to the reply subject or else to {@link ANNOUNCEMENTS}. */
export const ROLL_CALL = '$EDGE.RELAYS.PING'
