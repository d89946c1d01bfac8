import node from '@astrojs/node'
import { defineConfig, envField } from 'astro/config'

export default defineConfig({
  output: 'server',
  adapter: node({ mode: 'standalone' }),
  env: {
    // Read when the server starts.
    schema: {
      AUTH_SECRET: envField.string({ context: 'server', access: 'secret' }),
      BRIDGE_URL: envField.string({ context: 'server', access: 'secret' }),
    },
  },
})
