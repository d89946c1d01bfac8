import { auditEndpoint } from './suite.ts'
import { nodeBridgeTarget, nodeTarget } from './targets.ts'

auditEndpoint('bridge on Node, nats-server behind it', () => nodeBridgeTarget((server) => server.url))
auditEndpoint('bridge on Node, embedded broker', () => nodeTarget('embedded'))
