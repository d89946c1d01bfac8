/** Header names that both ends use. */

/** Id of an event. JetStream detects duplicates by this header of NATS. */
export const ID_HEADER = 'Nats-Msg-Id'
/** Time of publishing, in ms since 1970. */
export const TIME_HEADER = 'Spanwire-Time'
/** Version of an event's schema. Publishers write it if it is more than 1. */
export const VERSION_HEADER = 'Spanwire-Version'
/** Only HTTP: NATS headers of a message, as a percent-encoded JSON array of [name, value]. */
export const NATS_HEADERS = 'Nats-Headers'
/** Only HTTP: the tunnel of a POST, and the number of the POST: `<key> <number>`. */
export const TUNNEL_HEADER = 'Spanwire-Tunnel'
