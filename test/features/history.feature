Feature: History
  What became of a counter is kept without being asked for. It can be looked at step by step, by the clocks of any time
  zone, and says who changed what.

  Rule: A history is a point a step, in order

    Scenario: By the hour
      Given it is "2026-03-02T09:10:00Z"
      And I increment "visits" by 5
      And it is "2026-03-02T09:50:00Z"
      And I increment "visits" by 2
      And it is "2026-03-02T11:05:00Z"
      And I decrement "visits" by 3
      When I ask for the history of "visits" by "1 hour" in "UTC"
      Then its points are
        | from             | value | added | removed |
        | 2026-03-02 09:00 | 7     | 7     | 0       |
        | 2026-03-02 10:00 | 7     | 0     | 0       |
        | 2026-03-02 11:00 | 4     | 0     | 3       |
      And only the last of them is in progress

    Scenario: Only those in which something was changed
      Given it is "2026-03-02T09:10:00Z"
      And I increment "visits" by 5
      And it is "2026-03-02T11:05:00Z"
      And I decrement "visits" by 3
      When I ask for the changes in the history of "visits" by "1 hour" in "UTC"
      Then its points are
        | from             | value | added | removed |
        | 2026-03-02 09:00 | 5     | 5     | 0       |
        | 2026-03-02 11:00 | 2     | 0     | 3       |

    Scenario: Days are from midnight to midnight where somebody lives
      Given it is "2026-03-28T23:30:00+01:00"
      And I increment "visits"
      And it is "2026-03-29T00:30:00+01:00"
      And I increment "visits" by 10
      And it is "2026-03-29T23:30:00+02:00"
      And I increment "visits" by 100
      And it is "2026-03-30T00:30:00+02:00"
      And I increment "visits" by 1000
      When I ask for the history of "visits" by "day" in "Europe/Berlin"
      Then its points are
        | from             | value | added |
        | 2026-03-28 00:00 | 1     | 1     |
        | 2026-03-29 00:00 | 111   | 110   |
        | 2026-03-30 00:00 | 1111  | 1000  |

    Scenario: An hour that comes twice has two points
      Given it is "2026-10-25T02:30:00+02:00"
      And I increment "visits"
      And it is "2026-10-25T02:30:00+01:00"
      And I increment "visits" by 10
      When I ask for the history of "visits" by "1 hour" in "Europe/Berlin"
      Then its points are
        | from             | value | added |
        | 2026-10-25 02:00 | 1     | 1     |
        | 2026-10-25 02:00 | 11    | 10    |

    Scenario: All that begin alike are summed up
      Given it is "2026-03-02T09:10:00Z"
      And I increment "page:home" by 5
      And I increment "page:about" by 2
      And I increment "other"
      When I ask for the history of all that begin with "page:" by "day" in "UTC"
      Then its points are
        | from             | value | added |
        | 2026-03-02 00:00 | 7     | 7     |

    Scenario: The end of a window is told apart from what callers took away
      Given it is "2026-03-02T22:00:00Z"
      And a counter "quota" with
        | maximum | 5          |
        | window  | day in UTC |
      And I increment "quota" by 4
      And it is "2026-03-03T09:00:00Z"
      And I increment "quota"
      When I ask for the history of "quota" by "day" in "UTC"
      Then its points are
        | from             | value | added | removed | rolled |
        | 2026-03-02 00:00 | 4     | 4     | 0       | 0      |
        | 2026-03-03 00:00 | 1     | 1     | 0       | -4     |

    Scenario: A restart loses nothing of it
      Given it is "2026-03-02T09:10:00Z"
      And I increment "visits" by 5
      When the server is restarted
      And I increment "visits" by 2
      And I ask for the history of "visits" by "1 minute" in "UTC"
      Then its points are
        | from             | value | added |
        | 2026-03-02 09:10 | 7     | 7     |

  Rule: A name has a history after its counter is gone

    Scenario: A counter that expired
      Given it is "2026-03-02T09:10:00Z"
      And a counter "logins" with
        | gone when idle for | 10 minutes |
      And I increment "logins" by 3
      When it is "2026-03-02T10:00:00Z"
      And I increment "logins"
      And I ask for the history of "logins" by "1 hour" in "UTC"
      Then its points are
        | from             | value | added | rolled |
        | 2026-03-02 09:00 | 0     | 3     | -3     |
        | 2026-03-02 10:00 | 1     | 1     | 0      |

    Scenario: A counter that was deleted with its history
      Given it is "2026-03-02T09:10:00Z"
      And I increment "page:home" by 5
      And I increment "page:about" by 2
      When I delete "page:home"
      And I ask for the history of all that begin with "page:" by "day" in "UTC"
      Then its points are
        | from             | value | added |
        | 2026-03-02 00:00 | 2     | 2     |
      When I ask for the history of "page:home" by "day" in "UTC"
      Then it is refused with NOT_FOUND, reason COUNTER_NOT_FOUND
        | name | page:home |

  Rule: It says what the value was, and who changed it

    Scenario: As of a time
      Given it is "2026-03-02T09:10:00Z"
      And I increment "visits" by 5
      And it is "2026-03-02T09:20:00Z"
      And I increment "visits" by 2
      And it is "2026-03-02T12:00:00Z"
      Then "visits" was 5 at "2026-03-02T09:15:30Z", as of "2026-03-02T09:15:00Z"
      And "visits" was 7 at "2026-03-02T11:00:00Z", as of "2026-03-02T11:00:00Z"
      And "visits" is 7

    Scenario: By whom, and why
      Given it is "2026-03-02T09:10:00Z"
      And I increment "visits" by 5
      And I set "visits" to 40
      And I change the settings of "visits"
        | maximum | 100 |
      And I reset "visits"
      When I ask who changed "visits"
      Then the changes are
        | what     | value | by  |
        | reset    | 0     | -40 |
        | settings | 40    | 0   |
        | set      | 40    | 35  |

  Rule: What is not kept is said

    Scenario: Minutes of last week
      Given it is "2026-03-02T09:10:00Z"
      And I increment "visits"
      And it is "2026-03-09T09:10:00Z"
      When I ask for the history of "visits" since "2026-03-02T09:00:00Z" by "1 minute" in "UTC"
      Then it is refused with OUT_OF_RANGE, reason HISTORY_EXPIRED
      When I ask for the history of "visits" since "2026-03-02T09:00:00Z" by "1 hour" in "UTC"
      Then it has 169 points

    Scenario: More than 11,000 points
      Given it is "2026-03-02T09:10:00Z"
      And I increment "visits"
      When I ask for the history of "visits" since "2026-02-02T09:10:00Z" by "1 minute" in "UTC"
      Then it is refused with RESOURCE_EXHAUSTED, reason HISTORY_TOO_LARGE
        | max | 11000 |
