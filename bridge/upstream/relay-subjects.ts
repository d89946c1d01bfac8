/** Subjects of relays. The relays publish and answer, and monitoring of bridges follows them. */

/** Status of a process: one message every 5 s, and one after each roll call without a reply subject. */
export const ANNOUNCEMENTS = '$EDGE.RELAYS.STATUS'
/** A message to this subject makes each process send its status at once. */
export const ROLL_CALL = '$EDGE.RELAYS.PING'
