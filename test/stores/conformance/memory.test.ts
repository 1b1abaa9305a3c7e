import { storeSuite } from "./suite.ts";

storeSuite("memory");
