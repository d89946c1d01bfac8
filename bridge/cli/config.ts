/** For configuration files: `spanwire/cli`. */
import type { SpanwireConfig } from './settings/config-file.ts'

export type { BridgeConfig, SpanwireConfig } from './settings/config-file.ts'

/**
 * A configuration, checked by the type checker.
 *
 *     // spanwire.config.ts
 *     export default defineConfig({ contract: './events.ts', bridge: { upstream: 'nats://127.0.0.1:4222', port: 8080 } })
 */
export function defineConfig(config: SpanwireConfig): SpanwireConfig {
  return config
}
