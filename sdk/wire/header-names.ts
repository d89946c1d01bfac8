/** Names that both ends write and read. */

/** An event's id. The name is NATS's own: JetStream drops duplicates by it. */
export const ID_HEADER = 'Nats-Msg-Id'
/** The time of publishing, in ms since 1970. */
export const TIME_HEADER = 'Spanwire-Time'
/** HTTP only: a message's NATS headers, as a percent-encoded JSON array of [name, value]. */
export const NATS_HEADERS = 'Nats-Headers'
/** HTTP only: which tunnel a POST belongs to, and its number: `<key> <number>`. */
export const TUNNEL_HEADER = 'Spanwire-Tunnel'
