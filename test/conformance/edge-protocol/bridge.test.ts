import { auditEndpoint } from './suite.ts'
import { nodeTarget, onNatsServer } from './targets.ts'

auditEndpoint('bridge on Node, nats-server behind it', () => onNatsServer(({ url }) => nodeTarget(url)))
auditEndpoint('bridge on Node, embedded broker', () => nodeTarget('embedded'))
