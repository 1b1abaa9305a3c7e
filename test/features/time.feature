Feature: As time passes
  A counter can start anew each day, go back bit by bit, or be gone when nobody changes it. Whoever looks at it sees it
  as of now.

  Rule: A counter with a window starts anew at the end of each

    Background:
      Given it is "2026-03-28T20:00:00+01:00"
      And a counter "mails" with
        | maximum | 5                    |
        | window  | day in Europe/Berlin |

    Scenario: Five a day, and it is said when there will be room
      When I increment "mails" by 5
      And I increment "mails"
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
        | value | 5 |
      And there will be room in "4 hours"

    Scenario: The next day there are five again, and not one more
      Given I increment "mails" by 5
      When it is "2026-03-28T23:59:59.999+01:00"
      And I increment "mails"
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      And there will be room in "1 millisecond"
      When "1 millisecond" passes
      Then "mails" is 0
      When I increment "mails" by 5
      Then the answer says it went from 0 to 5
      When I increment "mails"
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      And there will be room in "23 hours"

    Scenario: The day on which clocks go forward has 23 hours
      Given it is "2026-03-29T12:00:00+02:00"
      Then the window of "mails" is from "2026-03-29T00:00:00+01:00" to "2026-03-30T00:00:00+02:00"

    Scenario: More than there ever is room for is not told to come again
      When I increment "mails" by 6
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      And it is not said when there will be room

    Scenario: A retry after midnight is answered as before it, and counts yesterday
      Given I increment "mails" by 2 under the request id "m-1"
      When it is "2026-03-29T00:00:01+01:00"
      And I send the same request again
      Then the answer is the first one, marked as a repeat
      And "mails" is 0

    Scenario: A restart does not change that
      Given I increment "mails" by 5
      When the server is restarted
      And I increment "mails"
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      And there will be room in "4 hours"
      When it is "2026-03-29T00:00:00+01:00"
      And the server is restarted
      Then "mails" is 0
      And the window of "mails" is from "2026-03-29T00:00:00+01:00" to "2026-03-30T00:00:00+02:00"

    Scenario: What was read yesterday is no longer so
      Given I increment "mails" by 2
      And I have read "mails"
      When "12 hours" pass
      And I set "mails" to 3 if nobody changed it since
      Then it is refused with ABORTED, reason ETAG_MISMATCH
      And "mails" is still 0

    Scenario: A day on which nothing was counted changes nothing
      Given I have read "mails"
      When "10 days" pass
      And I set "mails" to 3 if nobody changed it since
      Then the answer says it went from 0 to 3
      And the answer is change number 2

    Scenario: A clock that is set back lifts nothing
      Given I increment "mails" by 5
      And it is "2026-03-29T00:00:30+01:00"
      And I increment "mails" by 4
      When the clock is set back to "2026-03-28T23:59:50+01:00"
      Then "mails" is 4
      When I increment "mails" by 2
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
        | value | 4 |

    Scenario: Another window keeps the value, and ends by itself
      Given I increment "mails" by 5
      When I change the settings of "mails"
        | window | 10 seconds |
      Then "mails" is 5
      When "10 seconds" pass
      Then "mails" is 0

    Scenario: Without a window, what is counted stays
      Given I increment "mails" by 5
      When I take away the "window" of "mails"
      And "100 days" pass
      Then "mails" is 5

    Scenario: Months that begin on the 31st
      Given it is "2027-02-27T12:00:00Z"
      And a counter "month" with
        | window | month in UTC from day 31 |
      Then the window of "month" is from "2027-01-31T00:00:00Z" to "2027-02-28T00:00:00Z"
      When it is "2027-03-01T00:00:00Z"
      Then the window of "month" is from "2027-02-28T00:00:00Z" to "2027-03-31T00:00:00Z"

    Scenario: A time zone that there is not
      When I create a counter "trip" with
        | window | day in Mars/Olympus |
      Then it is refused with INVALID_ARGUMENT, reason INVALID_FIELD
        | field | window.time_zone |

    Scenario: Each sees the end at once: one counter, lists, rankings and sums
      Given I increment "mails" by 5
      And a counter "other" at 7
      When "4 hours" pass
      And I ask for the 1 highest counters
      Then the counters given are
        | counter | value |
        | other   | 7     |
      When I sum the counters
      Then the sum of 2 counters is 7, from 0 to 7

  Rule: A counter goes back bit by bit, and is a token bucket

    Background:
      Given it is "2026-01-01T12:00:00Z"
      And a counter "calls" with
        | minimum      | 0             |
        | maximum      | 10            |
        | value        | 10            |
        | goes back by | 3 in 1 second |

    Scenario: It says when there is room, to the millisecond
      When I increment "calls"
      Then it is refused with OUT_OF_RANGE, reason ABOVE_MAX
      And there will be room in "334 milliseconds"
      When "334 milliseconds" pass
      And I increment "calls"
      Then the answer says it went from 9 to 10

    Scenario: What is less than one is kept, however often somebody looks
      When "333 milliseconds" pass
      Then "calls" is 10
      When "333 milliseconds" pass
      Then "calls" is 9
      When "334 milliseconds" pass
      Then "calls" is 7

    Scenario: It goes to its initial value and no further
      Then "calls" is back at its initial value at "2026-01-01T12:00:03.334Z"
      When "1 hour" passes
      Then "calls" is 0

    Scenario: What was read before is still good, for nobody has changed it
      Given I have read "calls"
      When "1 second" passes
      And I set "calls" to 2 if nobody changed it since
      Then the answer says it went from 7 to 2

    Scenario: It needs bounds, and takes no window beside it
      When I create a counter "free" with
        | goes back by | 3 in 1 second |
      Then it is refused with FAILED_PRECONDITION, reason SETTINGS_CONFLICT
        | field | refill |
      When I change the settings of "calls"
        | window | 10 seconds |
      Then it is refused with FAILED_PRECONDITION, reason SETTINGS_CONFLICT
        | field | refill |

  Rule: A counter that nobody changes for long enough is gone

    Background:
      Given it is "2026-01-01T12:00:00Z"
      And a counter "logins" with
        | maximum            | 3          |
        | gone when idle for | 15 minutes |
      And I increment "logins" by 3

    Scenario: Each change of its value puts it off
      When "14 minutes" pass
      And I decrement "logins"
      Then "logins" is gone at "2026-01-01T12:29:00Z", unless it changes
      When "14 minutes" pass
      Then "logins" is 2
      When "1 minute" passes
      Then there is no counter "logins"

    Scenario: Another one is made by what comes after, with none of its settings
      When "15 minutes" pass
      And I increment "logins" by 9
      Then the answer says it went from 0 to 9
      And the answer is change number 1

    Scenario: Neither reading it nor its settings put it off
      When "14 minutes" pass
      And I read "logins"
      And I change the settings of "logins"
        | description | Of ada |
      And "1 minute" passes
      Then there is no counter "logins"
      And I sum the counters
      And the sum is that of no counters
