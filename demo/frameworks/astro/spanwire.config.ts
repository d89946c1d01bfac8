import process from 'node:process'
import { defineConfig } from 'spanwire/cli'

process.loadEnvFile('.env')

// `npm run bridge`. In production, `upstream` is the address of NATS.
export default defineConfig({
  bridge: {
    upstream: 'embedded',
    origins: ['http://localhost:4321'],
    auth: { secret: process.env.AUTH_SECRET ?? '' },
  },
})
